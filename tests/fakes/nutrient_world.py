"""A small made-up landscape to assess sites in.

Two catchments side by side, 4 km by 2 km in all, with a works, an authority and a subcatchment
each; square cells of 100 m tile both. Coordinates given here count from its lower left corner.
"""

from __future__ import annotations

from collections.abc import Callable

import shapely
from psycopg import Connection
from shapely.affinity import translate

from tests.fakes.reference_layers import ReferenceLayers
from worker.assessments.guards import no_checkpoint
from worker.assessments.layers import LayerCache
from worker.assessments.nutrient import assess_nutrient
from worker.assessments.nutrient_result import SiteResult
from worker.boundary.model import Area, Site
from worker.settings import NutrientConstants

EAST, NORTH = 600_000.0, 300_000.0
ALPHA, BETA = "Alpha SAC", "Beta SAC"
ALPHA_WORKS, BETA_WORKS, DEFAULT_WORKS = 10, 20, 141
CONSTANTS = NutrientConstants()


def rectangle(xmin: float, ymin: float, xmax: float, ymax: float) -> shapely.Polygon:
    """A rectangle, in metres from the corner of the landscape."""
    return shapely.box(EAST + xmin, NORTH + ymin, EAST + xmax, NORTH + ymax)


def placed(geometry: Area) -> Area:
    """``geometry``, drawn around the origin, moved into the landscape."""
    moved: Area = translate(geometry, EAST, NORTH)
    return moved


def lookups(connection: Connection, version: int = 1) -> ReferenceLayers:
    """Layers with the lookup tables only."""
    layers = ReferenceLayers(connection, version)
    layers.rates(ALPHA, 2.4, 120)
    layers.rates(BETA, 2.0, 100)
    layers.works(ALPHA_WORKS, "Alpha  Works ", subcatchment="Upper")
    layers.works(BETA_WORKS, "Beta Works", subcatchment="Lower")
    layers.works(
        DEFAULT_WORKS,
        "Package Treatment Plant default",
        nitrogen=(25.0, 25.0),
        phosphorus=(4.5, 4.5),
    )
    return layers


def landscape(connection: Connection, *, cell_size: float = 100.0) -> ReferenceLayers:
    """The whole landscape."""
    layers = lookups(connection)
    west, east = rectangle(0, 0, 2000, 2000), rectangle(2000, 0, 4000, 2000)
    layers.catchment(1, ALPHA, west)
    layers.catchment(2, BETA, east)
    layers.works_catchment(ALPHA_WORKS, west)
    layers.works_catchment(BETA_WORKS, east)
    layers.authority("Westshire", west)
    layers.authority("Eastshire", east)
    layers.subcatchment("Upper", west)
    layers.subcatchment("Lower", east)
    layers.cells(EAST, NORTH, EAST + 4000, NORTH + 2000, size=cell_size)
    return layers


def site(geometry: Area, dwellings: int = 10, number: int = 1) -> Site:
    """A site to assess."""
    return Site(number=number, geometry=geometry, dwellings=dwellings)


def assess(
    connection: Connection,
    layers: ReferenceLayers,
    *sites: Site,
    cache: LayerCache | None = None,
    checkpoint: Callable[[], None] = no_checkpoint,
) -> tuple[SiteResult, ...]:
    """Results of ``sites`` on ``layers``."""
    return assess_nutrient(
        connection,
        sites,
        layers.versions,
        CONSTANTS,
        layers=cache,
        checkpoint=checkpoint,
    ).sites
