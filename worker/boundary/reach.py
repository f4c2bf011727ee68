"""What a newt assessment draws around sites and ponds, tried out where time and memory are limited.

A few thousand teeth along an outline, grown by some hundred metres, are millions of arcs that cross
each other: a small file that is valid takes minutes and gigabytes in one call of GEOS, which no
signal interrupts. Tried out in the child, it ends the child and not the worker.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worker.boundary.grid import Grid
from worker.boundary.limits import Limits
from worker.boundary.model import Area


def try_reach(shapes: Sequence[Area], distance_m: float, limits: Limits) -> None:
    """Grow ``shapes`` by ``distance_m`` as the assessment will, and unite them.

    Whoever is told that the file is sound does so again and gets the same, at the same cost.
    """
    grid = Grid(limits.grid_m)
    snapped = grid.snap(np.array(shapes, dtype=object))
    grid.buffer(snapped, distance_m, limits.segments_per_quadrant)
