"""Coefficient cells: distorted hexagons that share every border, row by row.

Points belong to the lattice, not to a cell, so that neighbours have the same coordinates to the
last bit and no area is counted twice or lost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

# Shares of a hexagon's side; larger ones could fold a cell over itself.
_CORNER_SHIFT = 0.15
_MIDDLE_SHIFT = 0.08
POINTS = 13
"""Coordinates of a cell's closed ring: six corners, six middles of sides, the first again."""

_WKB = np.dtype(
    [
        ("byte_order", "u1"),
        ("geometry_type", "<u4"),
        ("rings", "<u4"),
        ("points", "<u4"),
        ("ring", "<f8", (POINTS, 2)),
    ]
)


@dataclass(frozen=True, slots=True)
class Area:
    """A named polygon, prepared for repeated tests."""

    name: str
    polygon: shapely.Geometry


@dataclass(frozen=True, slots=True)
class Strip:
    """One row of cells that meet a catchment.

    ``rings``: float64 of shape (n, POINTS, 2). ``catchment`` and ``subcatchment``: index of the
    area in which the cell lies, -1 for none.
    """

    row: int
    rings: NDArray[np.float64]
    catchment: NDArray[np.intp]
    subcatchment: NDArray[np.intp]

    def wkb(self) -> list[bytes]:
        """Each cell as a polygon in little endian WKB."""
        records = np.empty(len(self.rings), dtype=_WKB)
        records["byte_order"] = 1
        records["geometry_type"] = 3
        records["rings"] = 1
        records["points"] = POINTS
        records["ring"] = self.rings
        data = records.tobytes()
        return [data[start : start + _WKB.itemsize] for start in range(0, len(data), _WKB.itemsize)]


class Lattice:
    """Hexagons of equal mean size that cover ``bounds``, of ``area_m2`` each on average."""

    def __init__(
        self, bounds: tuple[float, float, float, float], area_m2: float, seed: int
    ) -> None:
        west, south, east, north = bounds
        self._side = math.sqrt(area_m2 / (1.5 * math.sqrt(3)))
        self._width = math.sqrt(3) * self._side
        self._pitch = 1.5 * self._side
        self._seed = seed
        # A row begins up to one cell before the bounds and ends after them.
        self._west = west - 1.5 * self._width
        self._south = south - self._pitch
        self.columns = math.ceil((east - west) / self._width) + 3
        self.rows = math.ceil((north - south) / self._pitch) + 2

    def strips(self, catchments: Sequence[Area], subcatchments: Sequence[Area]) -> Iterator[Strip]:
        """The cells that meet one of ``catchments``, from the south, a row at a time."""
        for area in (*catchments, *subcatchments):
            shapely.prepare(area.polygon)
        lower = self._line(0)
        for row in range(self.rows):
            upper = self._line(row + 1)
            rings = self._rings(row, lower, upper)
            lower = upper
            within = _place(rings, catchments, with_touching=True)
            kept = within >= 0
            if kept.any():
                rings = rings[kept]
                yield Strip(row, rings, within[kept], _place(rings, subcatchments))

    def _line(self, row: int) -> _Line:
        """The zigzag below row ``row``, the same for the rows on both sides of it."""
        rng = np.random.default_rng([self._seed, row])
        index = np.arange(2 * self.columns + 2)
        # The corner between two cells of the row above is high, the foot of a cell is low.
        height = np.where(index % 2 == row % 2, self._side / 2, 0.0)
        corners = np.column_stack(
            [self._west + index * self._width / 2, self._south + row * self._pitch + height]
        )
        corners += rng.uniform(-_CORNER_SHIFT, _CORNER_SHIFT, corners.shape) * self._side
        middles = (corners[:-1] + corners[1:]) / 2
        middles += rng.uniform(-_MIDDLE_SHIFT, _MIDDLE_SHIFT, middles.shape) * self._side
        upright_shift = rng.uniform(-_MIDDLE_SHIFT, _MIDDLE_SHIFT, corners.shape) * self._side
        return _Line(corners, middles, upright_shift)

    def _rings(self, row: int, lower: _Line, upper: _Line) -> NDArray[np.float64]:
        uprights = (lower.corners + upper.corners) / 2 + lower.upright_shift
        first = 2 * np.arange(self.columns) + row % 2
        ring = [
            lower.corners[first],
            lower.middles[first],
            lower.corners[first + 1],
            lower.middles[first + 1],
            lower.corners[first + 2],
            uprights[first + 2],
            upper.corners[first + 2],
            upper.middles[first + 1],
            upper.corners[first + 1],
            upper.middles[first],
            upper.corners[first],
            uprights[first],
            lower.corners[first],
        ]
        rings: NDArray[np.float64] = np.stack(ring, axis=1)
        return rings.round(3)


@dataclass(frozen=True, slots=True)
class _Line:
    corners: NDArray[np.float64]
    middles: NDArray[np.float64]
    upright_shift: NDArray[np.float64]


def _place(
    rings: NDArray[np.float64], areas: Sequence[Area], *, with_touching: bool = False
) -> NDArray[np.intp]:
    """Which area each cell lies in by its middle; ``with_touching``: else any that it meets."""
    middles = rings[:, :-1].mean(axis=1)
    found = np.full(len(rings), -1, dtype=np.intp)
    for number, area in enumerate(areas):
        inside = shapely.contains_xy(area.polygon, middles)
        found[inside & (found < 0)] = number
    if with_touching:
        for number, area in enumerate(areas):
            rest = np.flatnonzero(found < 0)
            rest = rest[_near(rings[rest], area.polygon.bounds)]
            meets = shapely.intersects(area.polygon, shapely.polygons(rings[rest]))
            found[rest[meets]] = number
    return found


def _near(
    rings: NDArray[np.float64], bounds: tuple[float, float, float, float]
) -> NDArray[np.bool_]:
    west, south, east, north = bounds
    low, high = rings.min(axis=1), rings.max(axis=1)
    near: NDArray[np.bool_] = (
        (low[:, 0] <= east) & (high[:, 0] >= west) & (low[:, 1] <= north) & (high[:, 1] >= south)
    )
    return near
