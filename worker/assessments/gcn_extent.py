"""Rules 1 to 3 of the newt method: sites, the buffer around them, and the ponds in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from worker.assessments.grid import Grid
from worker.assessments.overlay import Geometries, KeyT, Layer
from worker.boundary.model import Area, Pans, SurveyPonds, TmpImp
from worker.settings import GcnConstants


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


def extent_of(sites: Sequence[Area], constants: GcnConstants, grid: Grid) -> Extent:
    """Rule 1; a buffer that kept the sites would count their habitat twice."""
    snapped = grid.snap(np.array(sites, dtype=object))
    joined = grid.union(snapped)
    whole = grid.buffer(snapped, constants.site_buffer_m, constants.segments_per_quadrant)
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


def clipped_ponds(ponds: Ponds, extent: Extent, grid: Grid) -> Ponds:
    """Rule 3: what of the ponds lies in the extent; those outside of it are left out."""
    shapely.prepare(extent.whole)
    near = np.flatnonzero(shapely.intersects(extent.whole, ponds.shapes))
    shapes = grid.clip(grid.snap(ponds.shapes[near]), extent.whole)
    has_area = shapely.area(shapes) > 0
    kept = near[has_area].tolist()
    return Ponds(
        shapes[has_area],
        tuple(ponds.pans[index] for index in kept),
        tuple(ponds.tmp_imp[index] for index in kept),
    )


def clipped_layer(layer: Layer[KeyT], extent: Extent, grid: Grid) -> dict[KeyT, shapely.Geometry]:
    """Rule 2: for each key of ``layer`` within the extent, lowest first, its share of it."""
    whole = np.array([extent.whole], dtype=object)
    _, key, parts = layer.meeting(whole)
    clipped = grid.clip(grid.snap(parts), extent.whole)
    shapes = {layer.keys[each]: grid.union(clipped[key == each]) for each in np.unique(key)}
    return {key: shape for key, shape in shapes.items() if not shape.is_empty}
