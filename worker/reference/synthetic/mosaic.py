"""A mosaic of irregular patches with shared borders, from whose groups layers are made.

Layers made from the same patches fit together without gaps or slivers, whatever their borders.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray

SIZE = 24
"""Patches along each side."""

Extent: TypeAlias = tuple[float, float, float, float]
"""West, south, east, north in metres."""

_BENDS = 4
_NODE_SHIFT = 0.22
_BEND_SHIFT = 0.06


class Mosaic:
    """``SIZE`` x ``SIZE`` patches that cover ``extent``; the outer border is straight."""

    def __init__(self, extent: Extent, rng: np.random.Generator) -> None:
        west, south, east, north = extent
        self.pitch = np.array([(east - west) / SIZE, (north - south) / SIZE])
        self._nodes = self._place_nodes(np.array([west, south]), rng)
        self._lying = self._bend(self._nodes[:, :-1], self._nodes[:, 1:], rng, border=0)
        self._upright = self._bend(self._nodes[:-1], self._nodes[1:], rng, border=1)

    def groups(
        self, key: Callable[[int, int], Hashable | None]
    ) -> dict[Hashable, shapely.Geometry]:
        """Union of the patches (row, column, from the south-west) for each key that is not None."""
        members: dict[Hashable, list[shapely.Geometry]] = {}
        for row in range(SIZE):
            for column in range(SIZE):
                name = key(row, column)
                if name is not None:
                    members.setdefault(name, []).append(self._patch(row, column))
        return {name: shapely.coverage_union_all(patches) for name, patches in members.items()}

    def node(self, row: int, column: int) -> tuple[float, float]:
        """Where four patches meet: the south-west corner of patch (row, column)."""
        x, y = self._nodes[row, column]
        return float(x), float(y)

    def _place_nodes(
        self, origin: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        rows, columns = np.mgrid[0 : SIZE + 1, 0 : SIZE + 1]
        nodes = origin + np.stack([columns, rows], axis=-1) * self.pitch
        shift = rng.uniform(-_NODE_SHIFT, _NODE_SHIFT, nodes.shape) * self.pitch
        shift[:, [0, -1], 0] = 0
        shift[[0, -1], :, 1] = 0
        placed: NDArray[np.float64] = np.round(nodes + shift, 3)
        return placed

    def _bend(
        self,
        start: NDArray[np.float64],
        end: NDArray[np.float64],
        rng: np.random.Generator,
        *,
        border: int,
    ) -> NDArray[np.float64]:
        """Points between ``start`` and ``end`` of each edge, shape (…, _BENDS, 2).

        ``border``: the axis along which the first and last edges are on the outer border.
        """
        share = np.linspace(0, 1, _BENDS + 2)[1:-1, None]
        points = start[..., None, :] * (1 - share) + end[..., None, :] * share
        shift = rng.uniform(-_BEND_SHIFT, _BEND_SHIFT, points.shape) * self.pitch
        np.moveaxis(shift, border, 0)[[0, -1]] = 0
        bent: NDArray[np.float64] = np.round(points + shift, 3)
        return bent

    def _patch(self, row: int, column: int) -> shapely.Geometry:
        nodes, lying, upright = self._nodes, self._lying, self._upright
        ring = np.vstack(
            [
                nodes[row, column],
                lying[row, column],
                nodes[row, column + 1],
                upright[row, column + 1],
                nodes[row + 1, column + 1],
                lying[row + 1, column][::-1],
                nodes[row + 1, column],
                upright[row, column][::-1],
            ]
        )
        return shapely.Polygon(ring)
