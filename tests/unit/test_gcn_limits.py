"""What a newt assessment costs is bounded, and what is short here is not blamed on the data."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import shapely

from tests.fakes.boundary_reading import checked
from worker.assessments.gcn_extent import Ponds, clipped_ponds, extent_of, not_surveyed
from worker.boundary.grid import Grid
from worker.errors import BoundaryError, Interrupted
from worker.settings import GcnConstants

CONSTANTS = GcnConstants()
GRID = Grid(CONSTANTS.grid_m)
EXTENT = extent_of([shapely.box(600_000, 300_000, 600_100, 300_100)], CONSTANTS, GRID)


def upon_each_other(count: int) -> Ponds:
    """Ponds that each cover the whole extent, and take all of its outline."""
    return not_surveyed(np.array([shapely.box(599_000, 299_000, 602_000, 302_000)] * count))


def stop() -> None:
    raise Interrupted("job_stopped", "The job has to stop.")


def test_ponds_upon_each_other_are_refused_before_their_points_fill_the_memory() -> None:
    points = int(shapely.get_num_coordinates(EXTENT.whole))
    kept = clipped_ponds(upon_each_other(100), EXTENT, GRID, max_points=100 * points)
    assert len(kept.shapes) == 100

    with pytest.raises(BoundaryError) as caught:
        clipped_ponds(upon_each_other(101), EXTENT, GRID, max_points=100 * points)

    assert checked(caught.value).code == "too_many_vertices"


def test_a_job_that_has_to_stop_does_so_among_its_sites_and_ponds() -> None:
    ponds = upon_each_other(1_000)
    with pytest.raises(Interrupted):
        extent_of(ponds.shapes.tolist(), CONSTANTS, GRID, stop)
    with pytest.raises(Interrupted):
        clipped_ponds(ponds, EXTENT, GRID, stop)
    with pytest.raises(Interrupted):
        GRID.buffer(ponds.shapes, 250, 32, checkpoint=stop)


def test_too_little_memory_is_no_fault_of_the_reference_data() -> None:
    program = (
        "import resource, shapely\n"
        "from pathlib import Path\n"
        "from tests.fakes.boundaries import toothed\n"
        "from worker.assessments.guards import usable_geometries\n"
        "teeth = shapely.Polygon(toothed(8_000))\n"
        "mapped = int(Path('/proc/self/statm').read_text().split()[0])\n"
        "most = mapped * resource.getpagesize() + 100 * 1024 * 1024\n"
        "resource.setrlimit(resource.RLIMIT_AS, (most, most))\n"
        "try:\n"
        "    with usable_geometries():\n"
        "        teeth.buffer(250, quad_segs=32)\n"
        "except MemoryError:\n"
        "    print('too little memory')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "too little memory\n", done.stderr
