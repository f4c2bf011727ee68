"""Shapefiles: their structure checked byte by byte, then read by GDAL's own driver.

GDAL turns a damaged or missing record into a null geometry and goes on, reads no record that the
.shx leaves out, and makes land of a hole that lies outside, so lengths, offsets, counts, numbers
and rings are compared here first (ESRI Shapefile Technical Description, July 1998).
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
import numpy.typing as npt

from worker.boundary.archive import ShapefileParts
from worker.boundary.characters import Characters
from worker.boundary.geometry import too_many_vertices
from worker.boundary.limits import Limits
from worker.boundary.table import Table, number, prepare_table
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
# Number of the record, length of what follows in words of two bytes.
_RECORD_HEAD = struct.Struct(">2i")
# Type, bounding box, number of parts, number of points.
_POLYGON_HEAD = struct.Struct("<i4d2i")
# Far beyond every place in metres or degrees, and far below what overflows in GDAL's sums.
_MAX_COORDINATE = 1e9


def features(
    parts: ShapefileParts, limits: Limits
) -> Generator[tuple[object, Mapping[str, object]], None, None]:
    """(geometry, attributes) of each feature in file order; nothing is opened before the checks.

    Raises BoundaryError: ``boundary_unreadable``, ``not_polygonal``, ``geometry_empty``,
    ``geometry_null``, ``geometry_invalid``, ``coordinates_out_of_range``, ``too_many_vertices``,
    ``too_large``.
    """
    structure = check_structure(parts.shp, limits)
    characters = Characters.stated(parts.encoding, structure.table.language_driver)
    import fiona
    from fiona.errors import FionaError

    try:
        # ISO-8859-1 maps every byte to one character and back, which hands us the table's own
        # bytes: GDAL would drop what it cannot convert, without an error.
        with fiona.open(
            str(parts.shp), enabled_drivers=["ESRI Shapefile"], encoding="ISO-8859-1"
        ) as collection:
            for place, (feature, holes) in enumerate(
                zip_longest(collection, structure.holes), start=1
            ):
                if feature is None or holes is None or feature.geometry is None:
                    raise _unreadable(f"Feature {place} of the shapefile cannot be read.")
                kind, coordinates = feature.geometry.type, feature.geometry.coordinates
                _refuse_misplaced_holes(kind, coordinates, holes, place)
                yield (
                    {"type": kind, "coordinates": coordinates},
                    _Decoded(feature.properties, characters, structure.table),
                )
    except FionaError as error:
        raise _unreadable("The shapefile cannot be read.", detail=str(error)) from error


def _unreadable(sentence: str, *, detail: str = "") -> BoundaryError:
    return BoundaryError(
        "boundary_unreadable", f"{sentence} Please export it again.", detail=detail
    )


def _refuse_misplaced_holes(
    kind: str, coordinates: Sequence[Sequence[object]], holes: int, place: int
) -> None:
    parts = coordinates if kind == "MultiPolygon" else [coordinates]
    lost = sum(len(rings[1:]) for rings in parts) < holes
    # Where all rings run the wrong way round, GDAL makes a hole of the outline around it.
    if lost or any(_m2(hole) > _m2(rings[0]) for rings in parts for hole in rings[1:]):
        raise BoundaryError(
            "geometry_invalid",
            f"Feature {place} has a hole outside of its outlines, or rings that run the wrong way"
            " round: in a shapefile, outlines run clockwise and holes counter-clockwise. Please"
            " correct the drawing, or export it again with another program.",
        )


def _m2(ring: object) -> float:
    """What a ring encloses, seen from its first point; in the unit of its coordinates, squared."""
    points = np.asarray(ring, dtype=np.float64)[:, :2]
    x, y = (points - points[0]).T
    return abs(float(x[:-1] @ y[1:] - x[1:] @ y[:-1])) / 2


@dataclass(frozen=True, slots=True)
class Structure:
    """A shapefile whose parts agree; ``holes`` has the holes of each row that was not deleted."""

    table: Table
    holes: tuple[int, ...]


def check_structure(shp: Path, limits: Limits) -> Structure:
    """Compare .shp, .shx and .dbf with each other and with themselves.

    Features are numbered without the rows that were deleted; nothing but their place is checked.
    """
    main, index = (_content(shp.with_suffix(suffix)) for suffix in (".shp", ".shx"))
    shape_type: int = struct.unpack_from("<i", main, 32)[0]
    if shape_type not in _POLYGON_TYPES:
        name = _SHAPE_NAMES.get(shape_type, "unknown")
        raise BoundaryError(
            "not_polygonal",
            f"The shapefile holds shapes of type {name}. A boundary has to be a polygon.",
        )
    records = [
        (2 * offset, 2 * length)
        for offset, length in struct.iter_unpack(">2i", index[_HEADER_BYTES:])
    ]
    if not records:
        raise BoundaryError("geometry_empty", "The shapefile holds no features.")
    if len(records) > limits.max_features:
        raise BoundaryError(
            "too_large", f"The shapefile holds more than {limits.max_features:,} features."
        )
    table = prepare_table(shp.with_suffix(".dbf"), len(records))
    _check_places(main, records, shape_type)
    points, holes = 0, list[int]()
    for row, (offset, length) in enumerate(records):
        if row in table.deleted:
            continue
        rings = _rings(main, len(holes) + 1, offset + 8, length, shape_type)
        points += len(rings.points)
        if points > limits.max_vertices:
            raise too_many_vertices(limits.max_vertices)
        holes.append(_holes(rings))
    return Structure(table, tuple(holes))


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


def _check_places(main: bytes, records: Sequence[tuple[int, int]], shape_type: int) -> None:
    """Every record of the .shp is in the .shx, once and in the order of their numbers."""
    numbers: list[int] = []
    for place, (offset, length) in enumerate(records, start=1):
        if offset < _HEADER_BYTES or length < 4 or offset + 8 + length > len(main):
            raise _unreadable(f"Record {place} lies outside of the .shp file.")
        stated, words = _RECORD_HEAD.unpack_from(main, offset)
        if words * 2 != length:
            raise _unreadable(f"Record {place} of the .shp file is damaged.")
        numbers.append(stated)
    # From 1 by the description; some programs count from 0.
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise _unreadable("The .shx file has the shapes in another order than the .shp file.")
    end, named = _HEADER_BYTES, frozenset(numbers)
    for offset, length in [*sorted(records), (len(main), 0)]:
        if offset < end:
            raise _unreadable("The .shx file names a shape twice, or two that overlap.")
        if any(number not in named for number in _unnamed(main, end, offset, shape_type)):
            raise _unreadable("The .shp file holds shapes that are not in the .shx file.")
        end = offset + 8 + length


def _unnamed(main: bytes, start: int, end: int, shape_type: int) -> Iterator[int]:
    """Numbers of the records between two that the .shx names.

    An edit may leave a gap: a shape that grew has moved to the end, under its number; of one that
    shrank, the rest of the coordinates has stayed.
    """
    while start + _RECORD_HEAD.size + 4 <= end:
        number, words = _RECORD_HEAD.unpack_from(main, start)
        kind: int = struct.unpack_from("<i", main, start + _RECORD_HEAD.size)[0]
        start += _RECORD_HEAD.size + 2 * words
        if words < 2 or start > end or kind not in (_NULL_SHAPE, shape_type):
            return
        yield number


@dataclass(frozen=True, slots=True)
class _Rings:
    """``points``: x and y of one record; ``starts``: where each ring begins in them."""

    points: npt.NDArray[np.float64]
    starts: npt.NDArray[np.int32]


def _rings(main: bytes, number: int, body: int, length: int, shape_type: int) -> _Rings:
    kind: int = struct.unpack_from("<i", main, body)[0]
    if kind == _NULL_SHAPE:
        raise BoundaryError("geometry_null", f"Feature {number} has no geometry.")
    if kind != shape_type or length < _POLYGON_HEAD.size:
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
    return _Rings(coordinates.reshape(-1, 2), starts)


def _holes(rings: _Rings) -> int:
    """Counter-clockwise rings, if one is clockwise.

    Where all are counter-clockwise, a program did not know of the rule, and each is an outline.
    """
    ends = np.append(rings.starts[1:], len(rings.points))
    # Seen from each ring's own first point, so that small rings do not drown in rounding.
    x, y = (rings.points - np.repeat(rings.points[rings.starts], ends - rings.starts, axis=0)).T
    cross = np.append(x[:-1] * y[1:] - x[1:] * y[:-1], 0.0)
    cross[ends - 1] = 0.0
    areas = np.add.reduceat(cross, rings.starts)
    return int((areas > 0).sum()) if (areas < 0).any() else 0


class _Decoded(Mapping[str, object]):
    """A row that is decoded when it is asked for: columns that nobody reads may be damaged."""

    def __init__(self, row: Mapping[str, object], characters: Characters, table: Table) -> None:
        self._row = row
        self._characters = characters
        self._table = table

    def __getitem__(self, name: str) -> object:
        value = self._row[name]
        self._table.check_column(name)
        if not isinstance(value, str):
            return value
        text = self._characters.decode(value.encode("iso-8859-1"), name)
        return number(text) if self._table.is_number(name) else text

    def __iter__(self) -> Iterator[str]:
        return iter(self._row)

    def __len__(self) -> int:
        return len(self._row)
