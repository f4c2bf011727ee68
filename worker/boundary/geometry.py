"""Coordinate arrays become polygons here, strictly: nothing is closed, dropped or guessed.

Both readers use it, since a GeoJSON geometry and what fiona returns have the same shape: nested
sequences of positions. Every level is checked, so the depth is bounded by the code itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from shapely import LinearRing, MultiPolygon, Polygon

from worker.boundary.model import Area
from worker.errors import BoundaryError

# RFC 7946 allows altitude; shapefiles may add a measure. Both are dropped.
_MAX_DIMENSIONS = 4
_MIN_RING_POSITIONS = 4
_M2_PER_HA = 10_000


class VertexBudget:
    """Counts the vertices of a whole file, so that many small features cannot add up either."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = limit

    def take(self, count: int) -> None:
        """Raises BoundaryError ``too_many_vertices``."""
        self._left -= count
        if self._left < 0:
            raise too_many_vertices(self._limit)


class AreaBudget:
    """Adds up the area of a whole file: what lies within it and around it is read and measured."""

    def __init__(self, limit_ha: float) -> None:
        self._limit_ha = limit_ha
        self._left_ha = limit_ha

    def take(self, area_m2: float) -> None:
        """Raises BoundaryError ``too_large``."""
        self._left_ha -= area_m2 / _M2_PER_HA
        if self._left_ha < 0:
            raise BoundaryError(
                "too_large",
                f"What is drawn covers more than {self._limit_ha:,g} hectares, which is the limit."
                " Please check the drawing and its coordinate reference system.",
            )


def too_many_vertices(limit: int) -> BoundaryError:
    return BoundaryError(
        "too_many_vertices", f"The boundary has more than {limit:,} points. Please simplify it."
    )


def polygonal(geometry: object, where: str, budget: VertexBudget) -> Area:
    """The 2-D Polygon or MultiPolygon of a GeoJSON-like ``geometry``; ``where`` names its feature.

    Raises BoundaryError: ``geometry_null``, ``not_polygonal``, ``geometry_empty``,
    ``geometry_invalid``, ``coordinates_out_of_range``, ``too_many_vertices``.
    """
    if geometry is None:
        raise BoundaryError("geometry_null", f"{where} has no geometry.")
    if not isinstance(geometry, Mapping):
        raise BoundaryError("not_polygonal", f"{where} has a geometry that is not GeoJSON.")
    coordinates = geometry.get("coordinates")
    match geometry.get("type"):
        case "Polygon":
            return _polygon(coordinates, where, budget)
        case "MultiPolygon":
            parts = _sequence(coordinates, where)
            return MultiPolygon([_polygon(part, where, budget) for part in parts])
        case kind:
            named = kind if isinstance(kind, str) and kind.isalpha() and len(kind) < 40 else "other"
            raise BoundaryError(
                "not_polygonal",
                f"{where} is not a polygon (its type is {named}). A boundary has to be an area.",
            )


def _polygon(rings: object, where: str, budget: VertexBudget) -> Polygon:
    shell, *holes = (_ring(ring, where, budget) for ring in _sequence(rings, where))
    return Polygon(shell, holes)


def _ring(positions: object, where: str, budget: VertexBudget) -> LinearRing:
    sequence = _sequence(positions, where)
    budget.take(len(sequence))
    points = [_position(position, where) for position in sequence]
    if len(points) < _MIN_RING_POSITIONS or points[0] != points[-1]:
        raise BoundaryError(
            "geometry_invalid",
            f"{where} has a ring that is not closed: its last point has to repeat its first,"
            f" and it needs at least {_MIN_RING_POSITIONS} points.",
        )
    return LinearRing(points)


def _position(position: object, where: str) -> tuple[float, float]:
    if isinstance(position, list | tuple) and 2 <= len(position) <= _MAX_DIMENSIONS:
        x, y = position[0], position[1]
        # bool is an int to Python and a mistake in a coordinate.
        if type(x) in (int, float) and type(y) in (int, float):
            try:
                point = (float(x), float(y))
            except OverflowError:
                point = (math.inf, math.inf)
            if math.isfinite(point[0]) and math.isfinite(point[1]):
                return point
            raise BoundaryError(
                "coordinates_out_of_range", f"{where} has a coordinate that is not a finite number."
            )
    raise _malformed(where)


def _sequence(value: object, where: str) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise _malformed(where)
    if not value:
        raise BoundaryError("geometry_empty", f"{where} has an empty geometry.")
    return value


def _malformed(where: str) -> BoundaryError:
    return BoundaryError(
        "geometry_invalid",
        f"{where} has coordinates that are not nested as GeoJSON asks for its geometry type.",
    )
