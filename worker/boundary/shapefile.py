"""Shapefiles: their structure checked byte by byte, then read by GDAL's own driver.

GDAL turns a damaged or missing record into a null geometry and goes on, so lengths, offsets and
counts are compared here first (ESRI Shapefile Technical Description, July 1998).
"""

from __future__ import annotations

import codecs
import re
import struct
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path

import numpy as np

from worker.boundary.archive import ShapefileParts
from worker.boundary.geometry import too_many_vertices
from worker.boundary.limits import Limits
from worker.boundary.table import number, prepare_table
from worker.errors import BoundaryError

SHAPEFILE_MAGIC = b"\x00\x00\x27\x0a"

_HEADER_BYTES = 100
_NULL_SHAPE = 0
_POLYGON_TYPES = frozenset({5, 15, 25})
_SHAPE_NAMES = {1: "point", 3: "line", 8: "point", 11: "point", 13: "line", 18: "point"} | {
    21: "point",
    23: "line",
    28: "point",
    31: "multipatch",
}
# Type, bounding box, number of parts, number of points.
_POLYGON_HEAD = struct.Struct("<i4d2i")
# Far beyond every place in metres or degrees, and far below what overflows in GDAL's sums.
_MAX_COORDINATE = 1e9

# What ArcGIS, QGIS and MapInfo write into a .cpg: UTF-8, 65001, 1252, ANSI 1252, ISO-8859-1, 88591.
_UTF_8 = re.compile(r"(?i)utf-?8|65001")
_LATIN = re.compile(r"(?i)(?:iso)?[ _-]*8859[ _-]*(\d{1,2})")
_CODE_PAGE = re.compile(r"(?i)(?:ansi|oem|cp|ibm|windows|ms)?[ _-]*(\d{3,5})")


def features(
    parts: ShapefileParts, limits: Limits
) -> Generator[tuple[object, Mapping[str, object]], None, None]:
    """(geometry, attributes) of each feature in file order; nothing is opened before the checks.

    Raises BoundaryError: ``boundary_unreadable``, ``not_polygonal``, ``geometry_empty``,
    ``geometry_null``, ``coordinates_out_of_range``, ``too_many_vertices``, ``too_large``.
    """
    numeric = check_structure(parts.shp, limits)
    encoding = _encoding(parts.encoding)
    import fiona
    from fiona.errors import FionaError

    try:
        # ISO-8859-1 maps every byte to one character and back, which hands us the table's own
        # bytes: GDAL would drop what it cannot convert, without an error.
        with fiona.open(
            str(parts.shp), enabled_drivers=["ESRI Shapefile"], encoding="ISO-8859-1"
        ) as collection:
            for feature in collection:
                geometry = feature.geometry
                if geometry is None:
                    raise _unreadable(f"Feature {feature.id} of the shapefile cannot be read.")
                yield (
                    {"type": geometry.type, "coordinates": geometry.coordinates},
                    _Decoded(feature.properties, encoding, numeric),
                )
    except FionaError as error:
        raise _unreadable("The shapefile cannot be read.", detail=str(error)) from error


def _unreadable(sentence: str, *, detail: str = "") -> BoundaryError:
    return BoundaryError(
        "boundary_unreadable", f"{sentence} Please export it again.", detail=detail
    )


def check_structure(shp: Path, limits: Limits) -> frozenset[str]:
    """Compare .shp, .shx and .dbf with each other and with themselves; the columns of numbers."""
    main, index = (_content(shp.with_suffix(suffix)) for suffix in (".shp", ".shx"))
    shape_type: int = struct.unpack_from("<i", main, 32)[0]
    if shape_type not in _POLYGON_TYPES:
        name = _SHAPE_NAMES.get(shape_type, "unknown")
        raise BoundaryError(
            "not_polygonal",
            f"The shapefile holds shapes of type {name}. A boundary has to be a polygon.",
        )
    records = list(struct.iter_unpack(">2i", index[_HEADER_BYTES:]))
    if not records:
        raise BoundaryError("geometry_empty", "The shapefile holds no features.")
    if len(records) > limits.max_features:
        raise BoundaryError(
            "too_large", f"The shapefile holds more than {limits.max_features:,} features."
        )
    points = 0
    for place, (offset_words, length_words) in enumerate(records, start=1):
        points += _check_record(main, place, offset_words * 2, length_words * 2, shape_type)
        if points > limits.max_vertices:
            raise too_many_vertices(limits.max_vertices)
    return prepare_table(shp.with_suffix(".dbf"), len(records))


def _content(path: Path) -> bytes:
    """A .shp or .shx whose header agrees with its length."""
    content = path.read_bytes()
    if len(content) < _HEADER_BYTES or content[:4] != SHAPEFILE_MAGIC:
        raise _unreadable(f"The {path.suffix} file is not part of a shapefile or is cut short.")
    stated: int = struct.unpack_from(">i", content, 24)[0] * 2
    if stated != len(content) or (path.suffix == ".shx" and (stated - _HEADER_BYTES) % 8):
        raise _unreadable(
            f"The {path.suffix} file is damaged or cut short: it says {stated:,} bytes and has"
            f" {len(content):,}."
        )
    return content


def _check_record(main: bytes, number: int, offset: int, length: int, shape_type: int) -> int:
    """Points of one record."""
    body = offset + 8
    if offset < _HEADER_BYTES or length < 4 or body + length > len(main):
        raise _unreadable(f"Feature {number} lies outside of the .shp file.")
    stated: int = struct.unpack_from(">4xi", main, offset)[0] * 2
    kind: int = struct.unpack_from("<i", main, body)[0]
    if kind == _NULL_SHAPE:
        raise BoundaryError("geometry_null", f"Feature {number} has no geometry.")
    if stated != length or kind != shape_type or length < _POLYGON_HEAD.size:
        raise _unreadable(f"Feature {number} of the .shp file is damaged.")
    *_, parts, points = _POLYGON_HEAD.unpack_from(main, body)
    if parts == 0 or points == 0:
        raise BoundaryError("geometry_empty", f"Feature {number} has an empty geometry.")
    if parts < 0 or points < 0 or _POLYGON_HEAD.size + 4 * parts + 16 * points > length:
        raise _unreadable(f"Feature {number} of the .shp file is damaged.")
    starts = np.frombuffer(main, dtype="<i4", count=parts, offset=body + _POLYGON_HEAD.size)
    # GDAL moves or drops rings whose starts are out of order, and says so to nobody.
    if starts[0] != 0 or starts[-1] >= points or (np.diff(starts) <= 0).any():
        raise _unreadable(f"Feature {number} of the .shp file is damaged.")
    coordinates = np.frombuffer(
        main, dtype="<f8", count=2 * points, offset=body + _POLYGON_HEAD.size + 4 * parts
    )
    # GDAL drops such a geometry or keeps it, depending on how its sums overflow.
    if not (np.abs(coordinates) < _MAX_COORDINATE).all():
        raise BoundaryError(
            "coordinates_out_of_range",
            f"Feature {number} has a coordinate that is not a finite number or is on no map.",
        )
    return int(points)


def _encoding(cpg: bytes | None) -> str:
    """Python's name of the table's encoding; UTF-8 where there is no .cpg."""
    stated = (cpg or b"").decode("utf-8-sig", errors="replace").strip(" \t\r\n\x00")
    if not stated:
        return "utf-8"
    if _UTF_8.fullmatch(stated):
        return "utf-8"
    latin, code_page = _LATIN.fullmatch(stated), _CODE_PAGE.fullmatch(stated)
    name = f"iso8859-{latin[1]}" if latin else f"cp{code_page[1]}" if code_page else ""
    try:
        return codecs.lookup(name).name
    except LookupError as error:
        raise _unreadable("The .cpg file names a character set that is not known.") from error


class _Decoded(Mapping[str, object]):
    """A row that is decoded when it is asked for: columns that nobody reads may be damaged."""

    def __init__(self, row: Mapping[str, object], encoding: str, numeric: frozenset[str]) -> None:
        self._row = row
        self._encoding = encoding
        self._numeric = numeric

    def __getitem__(self, name: str) -> object:
        value = self._row[name]
        if not isinstance(value, str):
            return value
        try:
            text = value.encode("iso-8859-1").decode(self._encoding)
            return number(text) if name in self._numeric else text
        except UnicodeError as error:
            raise BoundaryError(
                "boundary_unreadable",
                f"The column {name} holds characters that are not {self._encoding.upper()}. Please"
                " export the shapefile again with its .cpg file, or in UTF-8.",
            ) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._row)

    def __len__(self) -> int:
        return len(self._row)
