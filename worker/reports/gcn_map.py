"""The map of a newt report: sites and buffer over risk zones and ponds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from psycopg import Connection

from worker.assessments.gcn_result import GcnResult
from worker.boundary.model import NewtSite, SurveyPonds
from worker.reference.versions import ReferenceVersions
from worker.reports.document import Picture
from worker.reports.figures import count, listed, middle, span
from worker.reports.map_data import NamedArea, read_features
from worker.reports.map_frame import Frame
from worker.reports.map_labels import Label
from worker.reports.map_svg import Drawing, Fill, Line, MapLayer, at_least, draw
from worker.settings import GcnConstants

POND_STATES = {"P": "newts present", "A": "newts absent", "NS": "not surveyed"}

_ZONE_FILLS = {"Red": Fill.LATTICE_RED, "Amber": Fill.RISING, "Green": Fill.DOTS}
_POND_FILLS = {"P": Fill.SOLID, "A": Fill.PLAIN, "NS": Fill.LEVEL_BLUE}
_POND_PX = 7.0
# The buffer is surroundings enough.
_MARGIN = 0.06


@dataclass(frozen=True, slots=True)
class NewtSurroundings:
    """Risk zones in the frame of a map, and the ponds that count, named by their state."""

    zones: tuple[NamedArea, ...]
    ponds: tuple[NamedArea, ...]


def newt_frame(sites: Sequence[NewtSite], constants: GcnConstants) -> Frame:
    """The frame around all sites with their buffer."""
    return Frame.around([_buffer(sites, constants)], margin=_MARGIN)


def read_newt_surroundings(
    connection: Connection,
    versions: ReferenceVersions,
    sites: Sequence[NewtSite],
    survey: SurveyPonds | None,
    constants: GcnConstants,
) -> NewtSurroundings:
    """Risk zones in the frame; ponds of the survey, or of the national map, in reach."""
    frame = newt_frame(sites, constants)
    if survey is None:
        national = read_features(connection, versions, "gcn_ponds", "pond_id", frame)
        ponds = tuple(NamedArea("NS", pond.geometry) for pond in national)
    else:
        ponds = tuple(NamedArea(pond.pans, pond.geometry) for pond in survey.ponds)
    extent = _buffer(sites, constants)
    shapely.prepare(extent)
    return NewtSurroundings(
        zones=read_features(connection, versions, "gcn_risk_zones", "rz", frame),
        ponds=tuple(pond for pond in ponds if extent.intersects(pond.geometry)),
    )


def newt_map(sites: Sequence[NewtSite], around: NewtSurroundings, result: GcnResult) -> Picture:
    """All sites with their buffer, on the risk zones and the ponds in reach."""
    constants = result.constants
    frame = newt_frame(sites, constants)
    buffer = MapLayer(
        f"Buffer of {constants.site_buffer_m:g} m",
        (_buffer(sites, constants),),
        Fill.NONE,
        Line(2, "8 5"),
    )
    boundary = MapLayer(
        "Site boundary, with the site's number",
        [site.geometry for site in sites],
        Fill.NONE,
        Line(3.5),
        tuple(_number(site) for site in sites),
    )
    drawing = Drawing(
        frame=frame,
        layers=(*_zone_layers(around), buffer, *_pond_layers(around, frame)),
        boundary=boundary,
        title="Map of the sites, risk zones and ponds",
        alternative=" ".join(_in_words(sites, around, result)),
        prefix="newts",
        veils_outside=False,
    )
    caption = "The sites and their buffer on great crested newt risk zones, and the ponds in reach."
    return Picture(draw(drawing), drawing.alternative, caption)


def _buffer(sites: Sequence[NewtSite], constants: GcnConstants) -> shapely.Geometry:
    shapes = np.array([site.geometry for site in sites], dtype=object)
    grown = shapely.buffer(
        shapes, constants.site_buffer_m, quad_segs=constants.segments_per_quadrant
    )
    return shapely.union_all(grown)


def _number(site: NewtSite) -> Label:
    return Label(str(site.number), (site.geometry.representative_point(),))


def _zone_layers(around: NewtSurroundings) -> Iterator[MapLayer]:
    for colour, fill in _ZONE_FILLS.items():
        shapes = [zone.geometry for zone in around.zones if zone.name == colour]
        yield MapLayer(f"{colour} risk zone", shapes, fill, Line(0.5))


def _pond_layers(around: NewtSurroundings, frame: Frame) -> Iterator[MapLayer]:
    for pans, fill in _POND_FILLS.items():
        ponds = [
            at_least(pond.geometry, _POND_PX, frame) for pond in around.ponds if pond.name == pans
        ]
        yield MapLayer(f"Pond, {POND_STATES[pans]}", ponds, fill, Line(1.2))


def _in_words(
    sites: Sequence[NewtSite], around: NewtSurroundings, result: GcnResult
) -> Iterator[str]:
    shapes = np.array([site.geometry for site in sites], dtype=object)
    west, south, east, north = shapely.total_bounds(shapes).tolist()
    is_one = len(sites) == 1
    yield f"Map of {'one site' if is_one else f'{count(len(sites))} sites'},"
    yield f"{span(west, east)} m from west to east and {span(south, north)} m from south to north,"
    yield f"around easting {middle(west, east)}, northing {middle(south, north)},"
    yield f"with a buffer of {result.constants.site_buffer_m:g} m."
    colours = tuple(
        colour for colour in _ZONE_FILLS if any(zone.name == colour for zone in around.zones)
    )
    zones = f"Risk zones: {listed(colours)}." if colours else "There is no risk zone here."
    yield zones
    ponds = tuple(
        f"{count(number)} {state}"
        for pans, state in POND_STATES.items()
        if (number := sum(one.frequency for one in result.ponds if one.pans == pans))
    )
    yield f"Ponds in reach: {listed(ponds)}." if ponds else "No pond is in reach."
