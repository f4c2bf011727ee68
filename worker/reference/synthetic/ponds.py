"""Invented ponds, scattered evenly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import shapely
from numpy.typing import NDArray

from worker.reference.synthetic.mosaic import Extent

# 457,161 national ponds on the 130,000 km² of England.
PER_KM2 = 3.5

_BATCH = 10_000
_CORNERS = 10


def pond_count(extent: Extent) -> int:
    """How many ponds an area of this size has."""
    west, south, east, north = extent
    return max(1, round(PER_KM2 * (east - west) * (north - south) / 1e6))


def ponds(extent: Extent, count: int, rng: np.random.Generator) -> Iterator[list[bytes]]:
    """Batches of ponds of 3 to 30 m radius as WKB; each is seen whole from its middle."""
    west, south, east, north = extent
    angles = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    for start in range(0, count, _BATCH):
        size = min(_BATCH, count - start)
        middles = rng.uniform((west, south), (east, north), (size, 2))
        # Small ponds are the most frequent.
        radii = 3 + 27 * rng.uniform(0, 1, (size, 1)) ** 3
        reach = radii * rng.uniform(0.7, 1.0, (size, _CORNERS))
        rings: NDArray[np.float64] = np.stack(
            [
                middles[:, :1] + reach * np.cos(angles),
                middles[:, 1:] + reach * np.sin(angles),
            ],
            axis=-1,
        )
        yield list(shapely.to_wkb(shapely.polygons(np.round(rings, 3)), byte_order=1))
