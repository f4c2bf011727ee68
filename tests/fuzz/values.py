"""Values that files are spoiled with, and where their formats keep their numbers."""

from __future__ import annotations

import re

# (offset, struct format) of the fields of each structure; offsets from its signature or start.
ZIP_FIELDS = {
    b"PK\x03\x04": [(4, "<H"), (6, "<H"), (8, "<H"), (14, "<L"), (18, "<L"), (22, "<L"), (26, "<H"),
                    (28, "<H"), (30, "<H")],
    b"PK\x01\x02": [(6, "<H"), (8, "<H"), (10, "<H"), (16, "<L"), (20, "<L"), (24, "<L"),
                    (28, "<H"), (30, "<H"), (32, "<H"), (36, "<H"), (38, "<L"), (42, "<L"),
                    (46, "<H")],
    b"PK\x05\x06": [(4, "<H"), (6, "<H"), (8, "<H"), (10, "<H"), (12, "<L"), (16, "<L"),
                    (20, "<H")],
}  # fmt: skip
SHP_FIELDS = [(0, ">i"), (24, ">i"), (28, "<i"), (32, "<i"), (36, "<d"), (52, "<d"), (100, ">i"),
               (104, ">i"), (108, "<i"), (112, "<d"), (120, "<d"), (144, "<i"), (148, "<i"),
               (152, "<i"), (156, "<i"), (160, "<d"), (164, "<d"), (172, "<d")]  # fmt: skip
SHX_FIELDS = [(24, ">i"), (32, "<i"), (100, ">i"), (104, ">i"), (108, ">i"), (112, ">i")]
DBF_FIELDS = [(0, "<B"), (4, "<i"), (8, "<H"), (10, "<H"), (29, "<B"), (43, "<B"), (48, "<B"),
               (49, "<B"), (75, "<B"), (80, "<B"), (81, "<B"), (96, "<B")]  # fmt: skip

WHOLE: tuple[int, ...] = (
    0,
    1,
    2,
    3,
    4,
    5,
    8,
    0x20,
    0x40,
    0x7F,
    0x80,
    0xFF,
    100,
    0x7FFF,
    0x8000,
    0xFFFF,
)
WHOLE += (0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
DOUBLES: tuple[float, ...] = (
    0.0,
    -0.0,
    1e-320,
    1.5,
    -1.0,
    1e9,
    -1e9,
    699_999.999,
    1.7e308,
    -1.7e308,
)
DOUBLES += (float("nan"), float("inf"), float("-inf"))
NUMBERS: tuple[str, ...] = (
    "NaN",
    "-Infinity",
    "1e999",
    "-1e999",
    "1e-999",
    "9" * 400,
    "9" * 5000,
    "-0",
    "1.",
    "01",
)
NUMBERS += ("0x10", "1E5", "180", "90.0001", "52.6", "620000.0000001", "700001", "true", '"1"')
TEXTS = ("", "\x00", "\ud800", "a\r\nb", "é" * 300, "../../x", "/etc/passwd", "İ", "\u2028", "nan")
NAMES: tuple[str, ...] = (
    "../site.shp",
    "./site.dbf",
    "site//x.shp",
    "SITE.SHX",
    "site.prj/",
    "/site.cpg",
    "C:a.dbf",
)
NAMES += ("site.geojson", "site.zip", "con.json", "\u017fite.dbf", "._site.shp", "site.shp ", ".")
KEYS: tuple[str, ...] = (
    "type",
    "features",
    "geometry",
    "coordinates",
    "crs",
    "properties",
    "name",
    "Dwellings",
)
KEYS += ("dwellings", "NAME", "İd", "PANS", "bbox")
CHARACTER_SETS: tuple[str, ...] = (
    "UTF-8",
    "1252",
    "OEM 850",
    "utf-16",
    "utf-7",
    "idna",
    "cp65001",
    "cp1",
    "\ufeff",
)
CHARACTER_SETS += ("ISO-8859-15", "8859", "undefined", "037", "932", "54936", "x" * 200)
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|[\[\]{}(),:]|[A-Za-z_]+|\s+|.', re.DOTALL)
WORDS = ("[", "]", "{", "}", ",", ":", '"', "PARAMETER", "UNIT", "AXIS", "BOUNDCRS[", "PROJCS[")
