"""A second, plainer reading of the same file, for the reader's answer to be compared with."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import EllipsisType

import shapely

from worker.boundary.model import Boundary, BoundaryFeature, SurveyPond, SurveyPonds

_SHAPE_HEADER = struct.Struct("<i4d2i")
_RECORD_HEADER_BYTES = 8
_DEGREES = {"EPSG:4326", "OGC:CRS84"}
_NO_VALUE = re.compile(rb"[ \0]*")
_DIGITS = re.compile(rb" *(\d+) *\0*")

Point = tuple[float, float]


class Contradiction(AssertionError):
    """The reader's answer is not what the file says."""


@dataclass(frozen=True)
class Seen:
    """One feature. ``dwellings`` is ``...`` where only the reader can tell what they are."""

    points: frozenset[Point]
    dwellings: int | EllipsisType | None


def compare(answer: Boundary | SurveyPonds, content: bytes, target: Path) -> None:
    """Raises Contradiction unless ``answer`` has every point and number that the file has."""
    try:
        seen = list(_seen(content, target))
    except (struct.error, IndexError, ValueError) as error:
        raise Contradiction(f"accepted, but damaged: {error}"[:120]) from error
    read: Sequence[BoundaryFeature | SurveyPond] = (
        answer.features if isinstance(answer, Boundary) else answer.ponds
    )
    if len(seen) != len(read):
        raise Contradiction(f"{len(seen)} features in the file, {len(read)} read")
    with_dwellings = isinstance(answer, Boundary) and answer.has_dwellings
    for one, other in zip(seen, read, strict=True):
        _compare_points(one, other, converted=answer.source_crs in _DEGREES)
        if with_dwellings and isinstance(other, BoundaryFeature):
            _compare_dwellings(one, other)


def _compare_points(seen: Seen, read: BoundaryFeature | SurveyPond, *, converted: bool) -> None:
    points = frozenset(map(tuple, shapely.get_coordinates(read.geometry).tolist()))
    # A conversion moves every point, and may add some to keep lines where they were.
    if len(points) < len(seen.points) if converted else points != seen.points:
        raise Contradiction(f"feature {read.number} has other points than the file")


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
        yield Seen(_points_of_record(main, 2 * offset + _RECORD_HEADER_BYTES), _number(cell))


def _points_of_record(main: bytes, start: int) -> frozenset[Point]:
    *_, parts, points = _SHAPE_HEADER.unpack_from(main, start)
    first = start + _SHAPE_HEADER.size + 4 * parts
    return frozenset(struct.iter_unpack("<2d", main[first : first + 16 * points]))


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
        yield Seen(frozenset(_positions(geometry)), _stated(properties))


def _positions(value: object) -> Iterator[Point]:
    match value:
        case {"geometries": list(found)} | {"coordinates": list(found)}:
            for part in found:
                yield from _positions(part)
        case [int() | float() as x, int() | float() as y, *_]:
            yield float(x), float(y)
        case list():
            for part in value:
                yield from _positions(part)


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
