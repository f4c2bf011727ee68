"""The great crested newt assessment: sites, ponds and pinned layers in, habitat and ponds out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import shapely
from psycopg import Connection

from worker.assessments.gcn_extent import (
    Extent,
    Ponds,
    boxes,
    clipped_layer,
    clipped_ponds,
    extent_of,
    not_surveyed,
    surveyed,
)
from worker.assessments.gcn_measures import (
    Partners,
    RiskZone,
    Zones,
    frequencies,
    frequencies_by_partner,
    habitat,
    habitat_by_partner,
    habitat_pieces,
    judged,
    partners_of,
)
from worker.assessments.gcn_result import GcnResult, NewtSiteFact
from worker.assessments.guards import no_checkpoint, require_pinned, usable_geometries
from worker.assessments.layers import LayerCache, LayerKind
from worker.assessments.lookups import tidy
from worker.assessments.overlay import Geometries
from worker.assessments.result import pinned_versions
from worker.boundary.grid import Grid
from worker.boundary.model import NewtSite, SurveyPonds
from worker.reference.versions import ReferenceVersions
from worker.settings import GcnConstants
from worker.sqlfiles import statement

REQUIRED_LAYERS = ("gcn_risk_zones", "edp_edges")
# Of a job without survey ponds.
NATIONAL_PONDS = "gcn_ponds"

GCN_RISK_ZONES = LayerKind("gcn_risk_zones", ("rz",), lambda colour: RiskZone[colour.upper()])
EDP_EDGES = LayerKind("edp_edges", ("edp_name",), tidy, may_be_empty=True)

# Slivers along the edges of neighbours are no reason for a warning.
_WORTH_A_WARNING_M2 = 1.0


def required_layers(*, has_survey: bool) -> tuple[str, ...]:
    """Layers of an assessment with or without survey ponds."""
    return REQUIRED_LAYERS if has_survey else (*REQUIRED_LAYERS, NATIONAL_PONDS)


def assess_gcn(
    connection: Connection,
    sites: Sequence[NewtSite],
    survey: SurveyPonds | None,
    versions: ReferenceVersions,
    constants: GcnConstants,
    *,
    layers: LayerCache | None = None,
    checkpoint: Callable[[], None] = no_checkpoint,
) -> GcnResult:
    """Newt habitat (m2) and ponds in ``sites`` and around them; national ponds without ``survey``.

    ``layers`` outlives an assessment if it is kept by the caller. ``checkpoint`` is called between
    pieces of work and may raise to interrupt. Raises ReferenceDataMissing if a layer is not pinned
    or empty, ReferenceDataError if one is incomplete or holds an unusable geometry, and
    BoundaryError ``too_many_vertices`` if ponds overlap in the extent of the sites without end.
    """
    needed = required_layers(has_survey=survey is not None)
    require_pinned(versions, needed)
    held = layers if layers is not None else LayerCache()
    grid = Grid(constants.grid_m)
    outlines = [site.geometry for site in sites]
    near = boxes(outlines, constants.site_buffer_m)
    numbers = tuple(site.number for site in sites)
    with usable_geometries():
        extent = extent_of(outlines, constants, grid, checkpoint)
        zones: Zones = clipped_layer(
            held.layer(connection, versions, GCN_RISK_ZONES, near), extent, grid
        )
        partners: Partners = clipped_layer(
            held.layer(connection, versions, EDP_EDGES, near), extent, grid
        )
        checkpoint()
        if survey is None:
            held.check_rows(connection, versions, NATIONAL_PONDS)
            known = _national_ponds(connection, versions.of(NATIONAL_PONDS), near)
        else:
            known = surveyed(survey)
        ponds = clipped_ponds(known, extent, grid, checkpoint)
        pond_zone = grid.buffer(
            ponds.shapes,
            constants.pond_buffer_m,
            constants.segments_per_quadrant,
            checkpoint=checkpoint,
        )
        checkpoint()
        pieces = habitat_pieces(extent, zones, pond_zone, grid)
        checkpoint()
        seen = judged(ponds, extent, zones)
        return GcnResult(
            sites=tuple(
                NewtSiteFact(
                    site=site.number, id=site.id, name=site.name, area_m2=round(area_m2, 3)
                )
                for site, area_m2 in zip(sites, shapely.area(extent.sites).tolist(), strict=True)
            ),
            ponds_source="national" if survey is None else "survey",
            habitat=habitat(pieces, numbers, grid),
            ponds=frequencies(seen),
            habitat_by_edp=habitat_by_partner(pieces, numbers, partners, grid),
            ponds_by_edp=frequencies_by_partner(seen, partners_of(ponds, partners)),
            warnings=(
                *(survey.warnings if survey is not None else ()),
                *_warnings(extent, zones, partners, ponds, grid),
            ),
            reference_versions=pinned_versions(versions, needed),
            constants=constants,
        )


def _national_ponds(connection: Connection, version: int, near: Geometries) -> Ponds:
    cursor = connection.cursor(binary=True)
    rows = cursor.execute(
        statement(__package__, "ponds_near"),
        {"version": version, "boxes": shapely.to_wkb(near).tolist()},
    ).fetchall()
    # A pond between two sites is in the boxes of both.
    by_id: dict[int, bytes] = dict(rows)
    wkb = [by_id[number] for number in sorted(by_id)]
    return not_surveyed(shapely.from_wkb(np.array(wkb, dtype=object)))


def _warnings(
    extent: Extent, zones: Zones, partners: Partners, ponds: Ponds, grid: Grid
) -> Iterator[str]:
    shared_m2 = shapely.area(extent.sites).sum() - extent.joined.area
    if shared_m2 > _WORTH_A_WARNING_M2:
        yield f"Sites overlap: {shared_m2:,.0f} m2 are counted for more than one site."
    if not len(ponds.shapes):
        yield "No pond lies in the sites or within the buffer, so there is no habitat."
    uncoloured_m2 = extent.whole.area - _united_m2(zones, grid)
    if uncoloured_m2 > _WORTH_A_WARNING_M2:
        yield (
            f"{uncoloured_m2:,.0f} m2 of the sites and the buffer lie in no risk zone and count"
            " for no habitat."
        )
    for layer, shapes, what in (
        ("risk zones", zones, "colour"),
        ("delivery partners' areas", partners, "partner"),
    ):
        twice_m2 = sum(shape.area for shape in shapes.values()) - _united_m2(shapes, grid)
        if twice_m2 > _WORTH_A_WARNING_M2:
            yield (
                f"The {layer} overlap here: {twice_m2:,.0f} m2 are counted for more than one"
                f" {what}."
            )


def _united_m2(shapes: Zones | Partners, grid: Grid) -> float:
    return float(grid.union(np.array(list(shapes.values()), dtype=object)).area)
