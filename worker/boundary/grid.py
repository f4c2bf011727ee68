"""Overlay on a grid: shapes are snapped before and after, and only what has area is kept.

The overlay itself works in floating point between snapped shapes. Told to work on the grid, GEOS
gives the same areas to some square centimetres and takes six times as long to unite buffers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

Geometries = NDArray[np.object_]

_POLYGON, _MULTIPOLYGON = 3, 6


def _no_checkpoint() -> None:
    """Of work that nothing interrupts."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Square cells of ``size_m``; but for ``snap``, shapes given are snapped, as those returned."""

    size_m: float

    def snap(self, shapes: Geometries) -> Geometries:
        """Polygons with their vertices on the grid; empty for what is thinner than it."""
        polygonal = _polygonal(shapes)
        # Moving vertices is cheap and hardly ever makes a shape cross itself.
        snapped: Geometries = shapely.set_precision(polygonal, self.size_m, mode="pointwise")
        crossed = ~shapely.is_valid(snapped)
        snapped[crossed] = shapely.set_precision(polygonal[crossed], self.size_m)
        # A snapped shape remembers its grid, and GEOS would work on it from then on.
        floating: Geometries = shapely.set_precision(snapped, 0, mode="pointwise")
        return floating

    def union(self, shapes: Geometries) -> shapely.Geometry:
        """One shape of all; the same whatever their order."""
        return self._snap_one(shapely.union_all(_in_order(shapes)))

    def buffer(
        self,
        shapes: Geometries,
        distance_m: float,
        segments: int,
        *,
        checkpoint: Callable[[], None] = _no_checkpoint,
    ) -> shapely.Geometry:
        """Everything within ``distance_m`` of a shape; ``segments`` approximate a quadrant.

        ``checkpoint`` is called after each shape and may raise to interrupt.
        """
        grown = _in_order(shapes)
        # One by one: a single shape may take ten seconds within the limits of its file.
        for index, shape in enumerate(grown):
            grown[index] = shapely.buffer(shape, distance_m, quad_segs=segments)
            checkpoint()
        return self._snap_one(shapely.union_all(grown))

    def clip(self, shapes: Geometries, to: shapely.Geometry) -> Geometries:
        """What of each of ``shapes`` lies in ``to``; only those on its edge are intersected."""
        shapely.prepare(to)
        clipped = np.full(len(shapes), shapely.Polygon(), dtype=object)
        whole = shapely.covers(to, shapes)
        clipped[whole] = shapes[whole]
        edge = np.flatnonzero(~whole)
        edge = edge[shapely.intersects(to, shapes[edge])]
        clipped[edge] = self.snap(shapely.intersection(shapes[edge], to))
        return clipped

    def erase(self, shapes: Geometries, eraser: shapely.Geometry) -> Geometries:
        """What of each of ``shapes`` lies outside ``eraser``."""
        return self.snap(shapely.difference(shapes, eraser))

    def area_m2(self, shapes: Geometries) -> NDArray[np.float64]:
        """Areas; 0 for slivers thinner than the grid, which snapping leaves between neighbours."""
        areas: NDArray[np.float64] = shapely.area(shapes)
        return np.where(areas > shapely.length(shapes) * self.size_m, areas, 0.0)

    def _snap_one(self, shape: shapely.Geometry) -> shapely.Geometry:
        (snapped,) = self.snap(np.array([shape], dtype=object))
        return snapped


def _in_order(shapes: Geometries) -> Geometries:
    """``shapes`` in an order of their own, so that no digit depends on who came first."""
    return shapes[np.argsort(shapely.to_wkb(shapes), kind="stable")]


def _polygonal(shapes: Geometries) -> Geometries:
    """``shapes`` without the lines and points in which two shapes only touch."""
    kinds = shapely.get_type_id(shapes)
    mixed = np.flatnonzero((kinds != _POLYGON) & (kinds != _MULTIPOLYGON))
    polygonal = shapes.copy()
    for index in mixed:
        parts = shapely.get_parts(shapely.get_parts(shapes[index]))
        polygonal[index] = shapely.multipolygons(parts[shapely.get_type_id(parts) == _POLYGON])
    return polygonal
