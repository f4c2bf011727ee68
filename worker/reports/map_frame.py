"""The piece of the national grid that a map shows, and its scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import shapely
from numpy.typing import NDArray

WIDTH_PX, HEIGHT_PX = 720, 440

# Surroundings let a reader find the place: this share of the site's extent on every side.
_MARGIN = 0.3
_MIN_WIDTH_M = 300.0
_SCALE_BAR_SHARE = 0.28


@dataclass(frozen=True, slots=True)
class Frame:
    """A rectangle of the grid (EPSG:27700, metres) in the proportions of the drawing."""

    west: float
    south: float
    east: float
    north: float

    @classmethod
    def around(cls, areas: Sequence[shapely.Geometry], margin: float = _MARGIN) -> Self:
        """The frame that shows all ``areas``; ``margin`` is a share of their extent."""
        west, south, east, north = shapely.total_bounds(np.array(areas, dtype=object)).tolist()
        wanted = max(east - west, (north - south) * WIDTH_PX / HEIGHT_PX) * (1 + 2 * margin)
        width = max(wanted, _MIN_WIDTH_M)
        height = width * HEIGHT_PX / WIDTH_PX
        x, y = (west + east) / 2, (south + north) / 2
        return cls(x - width / 2, y - height / 2, x + width / 2, y + height / 2)

    @property
    def metres_per_px(self) -> float:
        return (self.east - self.west) / WIDTH_PX

    @property
    def box(self) -> shapely.Polygon:
        return shapely.box(self.west, self.south, self.east, self.north)

    def to_px(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Grid coordinates as positions in the drawing, one decimal, y downwards."""
        scale = self.metres_per_px
        moved = (coordinates - (self.west, self.north)) / (scale, -scale)
        rounded: NDArray[np.float64] = np.round(moved, 1)
        return rounded

    def scale_bar_m(self) -> float:
        """The longest of 1, 2 and 5 times a power of ten that fits: the scale bar's length."""
        longest = (self.east - self.west) * _SCALE_BAR_SHARE
        power = 10.0 ** math.floor(math.log10(longest))
        return max(step * power for step in (1, 2, 5) if step * power <= longest)


def length(metres: float) -> str:
    """A round length with its unit."""
    return f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
