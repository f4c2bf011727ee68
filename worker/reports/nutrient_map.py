"""The maps of a nutrient report: one around a site, one over all sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely

from worker.assessments.nutrient_result import SiteResult
from worker.boundary.model import Site
from worker.reports.document import Picture
from worker.reports.figures import count, listed, middle, printable, span
from worker.reports.map_data import MAX_CELLS, NamedArea, NutrientSurroundings
from worker.reports.map_frame import Frame
from worker.reports.map_labels import Label, places_in
from worker.reports.map_svg import Drawing, Fill, Line, MapLayer, at_least, draw

# Larger drawings are made without the cells, which are nearly all of it.
MAX_SVG_BYTES = 500_000

_LAND_USE_FILLS = (
    Fill.RISING,
    Fill.FALLING,
    Fill.DOTS,
    Fill.LEVEL,
    Fill.UPRIGHT,
    Fill.GRID,
    Fill.LATTICE,
    Fill.DASHES,
)
_BOUNDARY = Line(3.5)
_CELL = Line(0.4)
_CATCHMENT = Line(2.2, "12 4 2 4")
_WORKS = Line(1.4, "2 3")
_MIN_SITE_PX = 7.0
_NUMBER_OFF_PX = 14.0
# The numbers of more sites would hide the map.
_MAX_NUMBERED = 100
_OVERVIEW_CATCHMENT = Line(1.2)
_CELLS_TOO_MANY = (
    f"Land-use cells are not drawn: there are more than {count(MAX_CELLS)} in this frame, too small"
    " to be seen."
)
_NOTHING_NEAR = (
    "No nutrient neutrality catchment, treatment works' catchment or land-use cell reaches into it."
)
_CELLS_TOO_DETAILED = "Land-use cells are not drawn: they are too detailed for this scale."


def site_map(site: Site, result: SiteResult, around: NutrientSurroundings, frame: Frame) -> Picture:
    """The boundary over land-use cells, catchments and treatment works' catchments."""
    uses = _land_uses(site, around.cells or ())
    boundary = MapLayer("Site boundary", (site.geometry,), Fill.NONE, _BOUNDARY)
    drawing = Drawing(
        frame=frame,
        layers=(*_cell_layers(around.cells or (), uses.all), *_areas(around, frame)),
        boundary=boundary,
        title=f"Map of {site_name(site)}",
        alternative=_site_in_words(site, result, uses),
        prefix=f"site-{site.number}",
    )
    note = _CELLS_TOO_MANY if around.cells is None else ""
    if not (around.cells or around.catchments or around.works) and around.cells is not None:
        note = _NOTHING_NEAR
    svg = draw(drawing)
    if len(svg) > MAX_SVG_BYTES:
        drawing = replace(drawing, layers=_areas(around, frame))
        svg, note = draw(drawing), _CELLS_TOO_DETAILED
    caption = f"{site_name(site)}: its boundary and the layers that decide a nutrient result."
    return Picture(svg, drawing.alternative, f"{caption} {note}".strip())


def overview_map(sites: Sequence[Site], around: NutrientSurroundings, frame: Frame) -> Picture:
    """All boundaries over the catchments, numbered if they are few enough."""
    is_numbered = len(sites) <= _MAX_NUMBERED
    boundary = MapLayer(
        "Site, with its number" if is_numbered else "Site",
        [at_least(site.geometry, _MIN_SITE_PX, frame) for site in sites],
        Fill.SOLID,
        Line(1.2),
        tuple(_site_label(site, frame) for site in sites) if is_numbered else (),
    )
    catchments = MapLayer(
        "Nutrient neutrality catchment",
        [area.geometry for area in around.catchments],
        Fill.PLAIN,
        _OVERVIEW_CATCHMENT,
        _labels_of(around.catchments, frame, "{}"),
    )
    names = tuple(dict.fromkeys(printable(area.name) for area in around.catchments))
    lie = f" over {listed(names)}" if names else "; no catchment reaches into the map"
    drawing = Drawing(
        frame=frame,
        layers=(catchments,),
        boundary=boundary,
        title="Map of all sites",
        alternative=(
            f"Map of {count(len(sites))} sites{lie}. Its middle is at easting"
            f" {middle(frame.west, frame.east)}, northing"
            f" {middle(frame.south, frame.north)}. The table below lists the sites."
        ),
        prefix="overview",
        veils_outside=False,
    )
    caption = "All sites and the nutrient neutrality catchments around them."
    if is_numbered:
        caption += " Numbers stand where they fit."
    return Picture(draw(drawing), drawing.alternative, caption)


def site_name(site: Site) -> str:
    """What a report calls a site."""
    return printable(site.name or site.id or "") or f"site {site.number}"


@dataclass(frozen=True, slots=True)
class _LandUses:
    """Land uses of the cells on a map, those that cover most of the site first."""

    all: tuple[str, ...]
    on_site: tuple[str, ...]


def _land_uses(site: Site, cells: Sequence[NamedArea]) -> _LandUses:
    inside: dict[str, float] = dict.fromkeys((cell.name for cell in cells), 0.0)
    areas = shapely.area(
        shapely.intersection(
            np.array([cell.geometry for cell in cells], dtype=object), site.geometry
        )
    )
    for cell, area in zip(cells, areas.tolist(), strict=True):
        inside[cell.name] += area
    ordered = tuple(sorted(inside, key=lambda name: (-inside[name], name)))
    return _LandUses(ordered, tuple(name for name in ordered if inside[name] > 0))


def _cell_layers(cells: Sequence[NamedArea], uses: Sequence[str]) -> tuple[MapLayer, ...]:
    """A layer for each land use; those beyond the patterns share one."""
    named = dict(zip(uses, _LAND_USE_FILLS, strict=False))
    layers = [
        MapLayer(f"Land use: {use}", [c.geometry for c in cells if c.name == use], fill, _CELL)
        for use, fill in named.items()
    ]
    rest = [cell.geometry for cell in cells if cell.name not in named]
    return (*layers, MapLayer("Other land use", rest, Fill.PLAIN, _CELL))


def _areas(around: NutrientSurroundings, frame: Frame) -> tuple[MapLayer, ...]:
    return (
        MapLayer(
            "Catchment of a treatment works (number)",
            [area.geometry for area in around.works],
            Fill.NONE,
            _WORKS,
            _labels_of(around.works, frame, "works {}"),
        ),
        MapLayer(
            "Nutrient neutrality catchment",
            [area.geometry for area in around.catchments],
            Fill.NONE,
            _CATCHMENT,
            _labels_of(around.catchments, frame, "{}"),
        ),
    )


def _labels_of(areas: Sequence[NamedArea], frame: Frame, wording: str) -> tuple[Label, ...]:
    return tuple(
        Label(wording.format(printable(area.name)), places_in(area.geometry, frame))
        for area in areas
    )


def _site_label(site: Site, frame: Frame) -> Label:
    """The site's number, beside it where there is room."""
    west, south, east, north = at_least(site.geometry, _MIN_SITE_PX, frame).bounds
    x, y = (west + east) / 2, (south + north) / 2
    off = _NUMBER_OFF_PX * frame.metres_per_px
    beside = ((east + off, y), (west - off, y), (x, north + off), (x, south - off))
    return Label(str(site.number), tuple(shapely.Point(*place) for place in beside))


def _site_in_words(site: Site, result: SiteResult, uses: _LandUses) -> str:
    west, south, east, north = site.geometry.bounds
    sentences = [
        f"Map of {site_name(site)}: a boundary {span(west, east)} m from west to east and",
        f"{span(south, north)} m from south to north, around easting {middle(west, east)},",
        f"northing {middle(south, north)}.",
        f"It lies in {result.nn_catchment or 'no nutrient neutrality catchment'}.",
    ]
    if result.wwtw_id is not None:
        sentences.append(f"Its treatment works is {result.wwtw_name or result.wwtw_id}.")
    if uses.on_site:
        sentences.append(f"Land use on the site, most first: {', '.join(uses.on_site)}.")
    return printable(" ".join(sentences))
