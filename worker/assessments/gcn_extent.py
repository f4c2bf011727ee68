"""Rules 1 to 3 of the newt method: sites, the buffer around them, and the ponds in both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from worker.assessments.guards import no_checkpoint
from worker.assessments.overlay import Geometries, KeyT, Layer
from worker.boundary.grid import Grid
from worker.boundary.model import Area, Pans, SurveyPonds, TmpImp
from worker.errors import BoundaryError
from worker.settings import GcnConstants

# Ponds that lie beside each other share the points of their file and of the extent among them.
MAX_POND_POINTS = 4_000_000
_CLIPPED_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Extent:
    """Where newts are looked for; shapes are snapped and polygonal.

    ``joined``: all sites as one. ``buffer``: what is near a site and in none. ``whole``: both.
    """

    sites: Geometries
    joined: shapely.Geometry
    buffer: shapely.Geometry
    whole: shapely.Geometry

    @property
    def parts(self) -> Geometries:
        """Each site, then the buffer."""
        return np.array([*self.sites, self.buffer], dtype=object)


@dataclass(frozen=True, slots=True)
class Ponds:
    """Ponds with what is known of them; all three have one entry a pond."""

    shapes: Geometries
    pans: tuple[Pans, ...]
    tmp_imp: tuple[TmpImp, ...]


def extent_of(
    sites: Sequence[Area],
    constants: GcnConstants,
    grid: Grid,
    checkpoint: Callable[[], None] = no_checkpoint,
) -> Extent:
    """Rule 1; a buffer that kept the sites would count their habitat twice."""
    snapped = grid.snap(np.array(sites, dtype=object))
    joined = grid.union(snapped)
    whole = grid.buffer(
        snapped, constants.site_buffer_m, constants.segments_per_quadrant, checkpoint=checkpoint
    )
    (buffer,) = grid.erase(np.array([whole], dtype=object), joined)
    return Extent(snapped, joined, buffer, whole)


def boxes(sites: Sequence[Area], buffer_m: float) -> Geometries:
    """For each site the rectangle that its buffer fits in."""
    west, south, east, north = shapely.bounds(np.array(sites, dtype=object)).T
    grown: Geometries = shapely.box(
        west - buffer_m, south - buffer_m, east + buffer_m, north + buffer_m
    )
    return grown


def surveyed(survey: SurveyPonds) -> Ponds:
    """The ponds of a survey file."""
    return Ponds(
        np.array([pond.geometry for pond in survey.ponds], dtype=object),
        tuple(pond.pans for pond in survey.ponds),
        tuple(pond.tmp_imp for pond in survey.ponds),
    )


def not_surveyed(shapes: Geometries) -> Ponds:
    """Ponds of which nothing is known but where they are."""
    pans: Pans = "NS"
    tmp_imp: TmpImp = "F"
    return Ponds(shapes, (pans,) * len(shapes), (tmp_imp,) * len(shapes))


def clipped_ponds(
    ponds: Ponds,
    extent: Extent,
    grid: Grid,
    checkpoint: Callable[[], None] = no_checkpoint,
    *,
    max_points: int = MAX_POND_POINTS,
) -> Ponds:
    """Rule 3: what of the ponds lies in the extent; those outside of it are left out.

    ``checkpoint`` is called between pieces of work and may raise to interrupt. Raises BoundaryError
    ``too_many_vertices``: of ponds upon each other, each takes a share of the extent's outline.
    """
    shapely.prepare(extent.whole)
    near = np.flatnonzero(shapely.intersects(extent.whole, ponds.shapes))
    shapes = grid.snap(ponds.shapes[near])
    points = 0
    for start in range(0, len(shapes), _CLIPPED_AT_ONCE):
        some = slice(start, start + _CLIPPED_AT_ONCE)
        shapes[some] = grid.clip(shapes[some], extent.whole)
        points += int(shapely.get_num_coordinates(shapes[some]).sum())
        if points > max_points:
            raise _too_many_points(max_points)
        checkpoint()
    has_area = shapely.area(shapes) > 0
    kept = near[has_area].tolist()
    return Ponds(
        shapes[has_area],
        tuple(ponds.pans[index] for index in kept),
        tuple(ponds.tmp_imp[index] for index in kept),
    )


def _too_many_points(limit: int) -> BoundaryError:
    return BoundaryError(
        "too_many_vertices",
        f"The ponds in and around the sites overlap each other so often that together they have"
        f" more than {limit:,} points. Please send fewer sites or ponds at once.",
    )


def clipped_layer(layer: Layer[KeyT], extent: Extent, grid: Grid) -> dict[KeyT, shapely.Geometry]:
    """Rule 2: for each key of ``layer`` within the extent, lowest first, its share of it."""
    whole = np.array([extent.whole], dtype=object)
    _, key, parts = layer.meeting(whole)
    clipped = grid.clip(grid.snap(parts), extent.whole)
    shapes = {layer.keys[each]: grid.union(clipped[key == each]) for each in np.unique(key)}
    return {key: shape for key, shape in shapes.items() if not shape.is_empty}
