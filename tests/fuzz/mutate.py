"""Ways to spoil a file: where its format keeps its numbers, and anywhere.

Every choice is drawn from the ``Random`` that is passed in, so a run can be repeated.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeAlias

from tests.fakes.boundaries import BRITISH_NATIONAL_GRID_PRJ, WEB_MERCATOR_PRJ, WGS84_PRJ
from tests.fuzz.seeds import Sample

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

# (offset, struct format) of the fields of each structure; offsets from its signature or start.
_ZIP_FIELDS = {
    b"PK\x03\x04": [(4, "<H"), (6, "<H"), (8, "<H"), (14, "<L"), (18, "<L"), (22, "<L"), (26, "<H"),
                    (28, "<H"), (30, "<H")],
    b"PK\x01\x02": [(6, "<H"), (8, "<H"), (10, "<H"), (16, "<L"), (20, "<L"), (24, "<L"),
                    (28, "<H"), (30, "<H"), (32, "<H"), (36, "<H"), (38, "<L"), (42, "<L"),
                    (46, "<H")],
    b"PK\x05\x06": [(4, "<H"), (6, "<H"), (8, "<H"), (10, "<H"), (12, "<L"), (16, "<L"),
                    (20, "<H")],
}  # fmt: skip
_SHP_FIELDS = [(0, ">i"), (24, ">i"), (28, "<i"), (32, "<i"), (36, "<d"), (52, "<d"), (100, ">i"),
               (104, ">i"), (108, "<i"), (112, "<d"), (120, "<d"), (144, "<i"), (148, "<i"),
               (152, "<i"), (156, "<i"), (160, "<d"), (164, "<d"), (172, "<d")]  # fmt: skip
_SHX_FIELDS = [(24, ">i"), (32, "<i"), (100, ">i"), (104, ">i"), (108, ">i"), (112, ">i")]
_DBF_FIELDS = [(0, "<B"), (4, "<i"), (8, "<H"), (10, "<H"), (29, "<B"), (43, "<B"), (48, "<B"),
               (49, "<B"), (75, "<B"), (80, "<B"), (81, "<B"), (96, "<B")]  # fmt: skip

_WHOLE: tuple[int, ...] = (
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
_WHOLE += (0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_DOUBLES: tuple[float, ...] = (
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
_DOUBLES += (float("nan"), float("inf"), float("-inf"))
_NUMBERS: tuple[str, ...] = (
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
_NUMBERS += ("0x10", "1E5", "180", "90.0001", "52.6", "620000.0000001", "700001", "true", '"1"')
_TEXTS = ("", "\x00", "\ud800", "a\r\nb", "é" * 300, "../../x", "/etc/passwd", "İ", "\u2028", "nan")
_NAMES: tuple[str, ...] = (
    "../site.shp",
    "./site.dbf",
    "site//x.shp",
    "SITE.SHX",
    "site.prj/",
    "/site.cpg",
    "C:a.dbf",
)
_NAMES += ("site.geojson", "site.zip", "con.json", "\u017fite.dbf", "._site.shp", "site.shp ", ".")
_KEYS: tuple[str, ...] = (
    "type",
    "features",
    "geometry",
    "coordinates",
    "crs",
    "properties",
    "name",
    "Dwellings",
)
_KEYS += ("dwellings", "NAME", "İd", "PANS", "bbox")
_CHARACTER_SETS: tuple[str, ...] = (
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
_CHARACTER_SETS += ("ISO-8859-15", "8859", "undefined", "037", "932", "54936", "x" * 200)
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|[\[\]{}(),:]|[A-Za-z_]+|\s+|.', re.DOTALL)
_WORDS = ("[", "]", "{", "}", ",", ":", '"', "PARAMETER", "UNIT", "AXIS", "BOUNDCRS[", "PROJCS[")


@dataclass(frozen=True)
class Spoiler:
    """One run's mutations; ``references`` are addresses that no file may make the reader follow."""

    random: Random
    references: Sequence[str]

    def spoil(self, sample: Sample, others: Sequence[Sample]) -> tuple[Sample, bytes]:
        """The sample with some of its files spoiled, and what is sent, perhaps spoiled further."""
        for _ in range(self.random.choice((0, 1, 1, 1, 2, 3))):
            sample = self._spoil_files(sample, others)
        content = sample.content()
        if sample.archive and self.random.random() < 0.35:
            content = self._zip_field(content)
        if self.random.random() < 0.1:
            content = self._bytes(content)
        return sample, content

    def _spoil_files(self, sample: Sample, others: Sequence[Sample]) -> Sample:
        index = self.random.randrange(len(sample.files))
        name, content = sample.files[index]
        if self.random.random() < 0.1:
            return self._files(sample, index, others)
        return sample.replaced(index, self._content(name.rpartition(".")[2].lower(), content))

    def _content(self, suffix: str, content: bytes) -> bytes:
        plain: list[Callable[[bytes], bytes]] = [self._bytes]
        fields = {"shp": _SHP_FIELDS, "shx": _SHX_FIELDS, "dbf": _DBF_FIELDS}.get(suffix)
        if fields:
            return self.random.choice([lambda c: self._field(c, 0, fields)] * 3 + plain)(content)
        if suffix == "prj":
            return self.random.choice([self._tokens] * 3 + [self._projection] + plain)(content)
        if suffix == "cpg":
            return self.random.choice(_CHARACTER_SETS).encode("utf-8", "surrogatepass")
        return self.random.choice([self._tree] * 4 + [self._tokens] * 4 + plain)(content)

    def _files(self, sample: Sample, index: int, others: Sequence[Sample]) -> Sample:
        """A file renamed, repeated, left out or taken from elsewhere."""
        files = list(sample.files)
        name, content = files[index]
        match self.random.randrange(5):
            case 0:
                files[index] = (self.random.choice(_NAMES), content)
            case 1:
                files.append((self.random.choice(_NAMES), content))
            case 2 if len(files) > 1:
                del files[index]
            case 3:
                files[index] = (name, self.random.choice(self.references).encode())
            case _:
                files[index] = (name, self.random.choice(self.random.choice(others).files)[1])
        return replace(sample, files=tuple(files))

    def _zip_field(self, content: bytes) -> bytes:
        signature = self.random.choice(list(_ZIP_FIELDS))
        places = [found.start() for found in re.finditer(re.escape(signature), content)]
        if not places:
            return content
        return self._field(content, self.random.choice(places), _ZIP_FIELDS[signature])

    def _field(self, content: bytes, start: int, fields: Sequence[tuple[int, str]]) -> bytes:
        offset, form = self.random.choice(fields)
        if form in ("<i", "<d") and self.random.random() < 0.3:
            # The same kind of field of a later record.
            offset += 4 * self.random.randrange(1, 60)
        offset += start
        size = struct.calcsize(form)
        if offset + size > len(content):
            return content
        return (
            content[:offset]
            + self._packed(form, content[offset : offset + size])
            + (content[offset + size :])
        )

    def _packed(self, form: str, before: bytes) -> bytes:
        if form == "<d":
            return struct.pack(form, self.random.choice(_DOUBLES))
        (now,) = struct.unpack(form.upper(), before)
        chosen = self.random.choice(
            (self.random.choice(_WHOLE), now + 1, now - 1, now ^ (1 << self.random.randrange(16)))
        )
        return struct.pack(form.upper(), chosen % (1 << 8 * len(before)))

    def _bytes(self, content: bytes) -> bytes:
        if not content:
            return bytes([self.random.randrange(256)])
        at = self.random.randrange(len(content))
        to = min(len(content), at + self.random.choice((1, 2, 4, 8, 40, 400)))
        match self.random.randrange(7):
            case 0:
                return content[:at]
            case 1:
                return content[:at] + content[to:]
            case 2:
                return content[:to] + content[at:]
            case 3:
                return content[:at] + self.random.randbytes(to - at) + content[to:]
            case 4:
                return content[:at] + bytes(to - at) + content[to:]
            case 5:
                return content + content[at:to] * self.random.choice((1, 100))
            case _:
                return (
                    content[:at]
                    + bytes([content[at] ^ (1 << self.random.randrange(8))])
                    + (content[at + 1 :])
                )

    def _tokens(self, content: bytes) -> bytes:
        """JSON or WKT with a token replaced, repeated, moved, left out or nested deeply."""
        tokens = _TOKEN.findall(content) or [b" "]
        at, to = (self.random.randrange(len(tokens)) for _ in range(2))
        match self.random.randrange(6):
            case 0:
                del tokens[at]
            case 1:
                tokens[at:at] = tokens[min(at, to) : max(at, to)]
            case 2:
                tokens[at], tokens[to] = tokens[to], tokens[at]
            case 3:
                word = self.random.choice((*_NUMBERS, *_WORDS, *self.references))
                tokens[at] = word.encode()
            case 4:
                text = self.random.choice((*_TEXTS, *self.references))
                tokens[at] = json.dumps(text).encode()
            case _:
                tokens[at] = self.random.choice((b"[", b"{", b'{"a":', b"(", b"AXIS[")) * (
                    self.random.choice((3, 900, 990, 2_000))
                )
        return b"".join(tokens)

    def _projection(self, content: bytes) -> bytes:
        texts = (BRITISH_NATIONAL_GRID_PRJ, WGS84_PRJ, WEB_MERCATOR_PRJ, *self.references)
        return self.random.choice(texts).encode()

    def _tree(self, content: bytes) -> bytes:
        """JSON that stays JSON, with one value or name changed."""
        try:
            document: Json = json.loads(content)
        except (ValueError, RecursionError):
            return self._tokens(content)
        places = list(_places(document))
        if not places:
            return self._tokens(content)
        for _ in range(self.random.choice((1, 1, 2))):
            holder, key = self.random.choice(places)
            self._change(holder, key)
        try:
            return json.dumps(document).encode()
        except RecursionError:
            return content

    def _change(self, holder: dict[str, Json] | list[Json], key: str | int) -> None:
        if isinstance(holder, dict):
            if self.random.random() < 0.2:
                holder[self.random.choice(_KEYS)] = holder.get(str(key))
            else:
                holder[str(key)] = self._value(holder.get(str(key)))
        elif int(key) < len(holder):
            if self.random.random() < 0.3:
                holder.insert(self.random.randrange(len(holder)), holder[int(key)])
            else:
                holder[int(key)] = self._value(holder[int(key)])

    def _value(self, before: Json) -> Json:
        nested: Json = [before]
        for _ in range(self.random.choice((1, 100, 900, 960))):
            nested = [nested]
        flat: tuple[Json, ...] = (
            None, True, 0, -1, 1e308, 2**70, 10**300, [], {}, [[]], [before] * 3, {"type": before},
            {"type": "name", "properties": {"name": self.random.choice(("EPSG:4326", "crs84"))}},
            "Polygon", "MultiPolygon", "FeatureCollection", "Feature", nested,
        )  # fmt: skip
        if isinstance(before, int | float) and self.random.random() < 0.6:
            return self.random.choice(
                (before + 1, before * 10, -before, before / 1000, before + 1e-9)
            )
        return self.random.choice((*flat, *_TEXTS, *self.references))


def _places(node: Json) -> Sequence[tuple[dict[str, Json] | list[Json], str | int]]:
    """Every (holder, key) below ``node``, without recursion: files are nested deeply on purpose."""
    found: list[tuple[dict[str, Json] | list[Json], str | int]] = []
    waiting = [node]
    while waiting:
        holder = waiting.pop()
        if isinstance(holder, dict):
            found += [(holder, key) for key in holder]
            waiting += holder.values()
        elif isinstance(holder, list):
            found += [(holder, index) for index in range(len(holder))]
            waiting += holder
    return found
