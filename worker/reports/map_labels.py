"""Places for a map's labels: none covers another, a boundary, or the edge of the map."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import shapely

from worker.reports.map_frame import HEIGHT_PX, WIDTH_PX, Frame

TEXT_PX = 14
# Room for the widest letters.
_CHARACTER_PX = 0.6 * TEXT_PX
_EDGE_PX = 4
_SCALE_BAR = shapely.box(0, HEIGHT_PX - 50, WIDTH_PX * 0.42, HEIGHT_PX)
_NORTH_ARROW = shapely.box(WIDTH_PX - 54, 0, WIDTH_PX, 70)
_SHEET = shapely.box(0, 0, WIDTH_PX, HEIGHT_PX).buffer(-_EDGE_PX)


@dataclass(frozen=True, slots=True)
class Label:
    """A short text, and the points of the grid where it may stand, best first."""

    text: str
    places: tuple[shapely.Point, ...]


@dataclass(frozen=True, slots=True)
class PlacedLabel:
    """A text and the middle of its place in the drawing."""

    text: str
    x: float
    y: float


def places_in(area: shapely.Geometry, frame: Frame) -> tuple[shapely.Point, ...]:
    """Points of the visible part of ``area`` for its label: towards an edge first, where least is
    to be seen, then anywhere.
    """
    west, south, east, north = frame.west, frame.south, frame.east, frame.north
    across, up = (east - west) / 4, (north - south) / 4
    pieces = (
        (west, north - up, east, north),
        (west, south, east, south + up),
        (west, south, west + across, north),
        (east - across, south, east, north),
        (west, south, east, north),
    )
    seen = (shapely.clip_by_rect(area, *piece) for piece in pieces)
    return tuple(shapely.point_on_surface(part) for part in seen if not part.is_empty)


def placed(
    labels: Iterable[Label], frame: Frame, boundaries: Sequence[shapely.Geometry]
) -> Iterator[PlacedLabel]:
    """Each label at the first of its places that is free; left out if none is."""
    lines = [shapely.boundary(shape) for shape in boundaries]
    in_px = [shapely.transform(line, frame.to_px) for line in lines]
    tree = shapely.STRtree(in_px)
    taken = [_SCALE_BAR, _NORTH_ARROW]
    for label in labels:
        half = len(label.text) * _CHARACTER_PX / 2
        for place in label.places:
            ((x, y),) = frame.to_px(shapely.get_coordinates(place)).tolist()
            box = shapely.box(x - half, y - TEXT_PX * 0.7, x + half, y + TEXT_PX * 0.7)
            is_free = (
                _SHEET.contains(box)
                and not any(box.intersects(other) for other in taken)
                and not len(tree.query(box, predicate="intersects"))
            )
            if is_free:
                taken.append(box)
                yield PlacedLabel(label.text, x, y)
                break
