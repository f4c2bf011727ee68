"""A second, plainer reading of the same file, for the reader's answer to be compared with."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from pathlib import Path
from types import EllipsisType
from typing import Any

import shapely

from worker.boundary.model import Boundary, BoundaryFeature, SurveyPond, SurveyPonds

_SHAPE_HEADER = struct.Struct("<i4d2i")
_RECORD_HEADER_BYTES = 8
_DEGREES = {"EPSG:4326", "OGC:CRS84"}
_NO_VALUE = re.compile(rb"[ \0]*")
_DIGITS = re.compile(rb" *(\d+) *\0*")

# Sums of the same numbers in another order; in square metres, and as a share.
_ROUNDING_M2, _ROUNDING = 1e-3, 1e-9

Point = tuple[float, float]
Ring = tuple[Point, ...]


class Contradiction(AssertionError):
    """The reader's answer is not what the file says."""


@dataclass(frozen=True)
class Seen:
    """One feature. ``dwellings`` is ``...`` where only the reader can tell what they are."""

    rings: tuple[Ring, ...]
    dwellings: int | EllipsisType | None

    @property
    def points(self) -> frozenset[Point]:
        return frozenset(point for ring in self.rings for point in ring)

    @property
    def area(self) -> float:
        """Of what lies in an odd number of rings, whatever way they run and which stands first."""
        return float(reduce(shapely.symmetric_difference, map(shapely.Polygon, self.rings)).area)


def compare(
    answer: Boundary | SurveyPonds, content: bytes, target: Path, *, with_dwellings: bool
) -> None:
    """Raises Contradiction unless ``answer`` has every point, area and number of the file.

    Numbers of dwellings are compared only ``with_dwellings``: else the reader leaves them alone.
    """
    try:
        seen = list(_seen(content, target))
    except (struct.error, IndexError, ValueError) as error:
        raise Contradiction(f"accepted, but damaged: {error}"[:120]) from error
    read: Sequence[BoundaryFeature | SurveyPond] = (
        answer.features if isinstance(answer, Boundary) else answer.ponds
    )
    if len(seen) != len(read):
        raise Contradiction(f"{len(seen)} features in the file, {len(read)} read")
    converted = answer.source_crs in _DEGREES
    for one, other in zip(seen, read, strict=True):
        _compare_points(one, other, converted=converted)
        if not converted:
            _compare_areas(one, other)
        if with_dwellings and isinstance(other, BoundaryFeature):
            _compare_dwellings(one, other)


def _compare_points(seen: Seen, read: BoundaryFeature | SurveyPond, *, converted: bool) -> None:
    points = frozenset(map(tuple, shapely.get_coordinates(read.geometry).tolist()))
    # A conversion moves every point, and may add some to keep lines where they were.
    if len(points) < len(seen.points) if converted else points != seen.points:
        raise Contradiction(f"feature {read.number} has other points than the file")


def _compare_areas(seen: Seen, read: BoundaryFeature | SurveyPond) -> None:
    difference_m2 = abs(seen.area - read.geometry.area)
    if not difference_m2 <= _ROUNDING_M2 + _ROUNDING * seen.area:
        raise Contradiction(
            f"feature {read.number} has {seen.area} m2, {read.geometry.area} m2 read"
        )


def _compare_dwellings(seen: Seen, read: BoundaryFeature) -> None:
    if seen.dwellings is not ... and seen.dwellings != read.dwellings:
        raise Contradiction(
            f"feature {read.number} has {seen.dwellings} dwellings, {read.dwellings} read"
        )


def _seen(content: bytes, target: Path) -> Iterator[Seen]:
    written = {path.suffix: path.read_bytes() for path in target.iterdir()}
    if ".shp" in written:
        return _in_shapefile(written[".shp"], written[".shx"], written[".dbf"])
    return _in_geojson(next(iter(written.values()), content))


def _in_shapefile(main: bytes, index: bytes, table: bytes) -> Iterator[Seen]:
    header_bytes, row_bytes = struct.unpack_from("<2H", table, 8)
    column = _dwellings_column(table[32:header_bytes])
    for number, (offset, _) in enumerate(struct.iter_unpack(">2i", index[100:])):
        start = header_bytes + number * row_bytes
        row = table[start : start + row_bytes]
        if row[0] == ord("*"):
            continue
        cell = row[column] if column else b""
        yield Seen(_rings_of_record(main, 2 * offset + _RECORD_HEADER_BYTES), _number(cell))


def _rings_of_record(main: bytes, start: int) -> tuple[Ring, ...]:
    *_, parts, count = _SHAPE_HEADER.unpack_from(main, start)
    start += _SHAPE_HEADER.size
    begins = struct.unpack_from(f"<{parts}i", main, start)
    start += 4 * parts
    points = tuple(struct.iter_unpack("<2d", main[start : start + 16 * count]))
    return tuple(points[one:end] for one, end in pairwise((*begins, count)))


def _dwellings_column(descriptors: bytes) -> slice | None:
    start = 1
    for place in range(0, len(descriptors) - 31, 32):
        name = descriptors[place : place + 11].partition(b"\0")[0]
        width = descriptors[place + 16]
        if name.lower() == b"dwellings":
            return slice(start, start + width)
        start += width
    return None


def _number(cell: bytes) -> int | EllipsisType | None:
    if _NO_VALUE.fullmatch(cell):
        return None
    digits = _DIGITS.fullmatch(cell)
    return int(digits[1]) if digits else ...


def _in_geojson(content: bytes) -> Iterator[Seen]:
    document = json.loads(content.decode("utf-8-sig"))
    features = document["features"] if document["type"] == "FeatureCollection" else [document]
    for feature in features:
        properties = feature.get("properties") if feature["type"] == "Feature" else None
        geometry = feature["geometry"] if feature["type"] == "Feature" else feature
        yield Seen(tuple(_rings(geometry["coordinates"])), _stated(properties))


def _rings(nested: list[Any]) -> Iterator[Ring]:
    if isinstance(nested[0][0], int | float):
        yield tuple((float(x), float(y)) for x, y, *_ in nested)
        return
    for part in nested:
        yield from _rings(part)


def _stated(properties: object) -> int | EllipsisType | None:
    if not isinstance(properties, dict):
        return None
    named = [value for name, value in properties.items() if name.casefold() == "dwellings"]
    match named:
        case [] | [None]:
            return None
        case [int(number)]:
            return number
    return ...
