"""Sites, ponds and layers for newt assessments, in metres from a corner in Norfolk."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import shapely
from psycopg import Connection

from tests.fakes.nutrient_world import rectangle
from tests.fakes.reference_layers import ReferenceLayers
from worker.assessments.gcn import assess_gcn
from worker.assessments.gcn_measures import RiskZone
from worker.assessments.gcn_result import GcnResult
from worker.assessments.layers import LayerCache
from worker.assessments.overlay import Layer
from worker.boundary.model import Area, NewtSite, Pans, SurveyPond, SurveyPonds, TmpImp
from worker.settings import GcnConstants

CONSTANTS = GcnConstants()
EVERYWHERE = rectangle(-5_000, -5_000, 6_000, 6_000)


def newt_sites(*geometries: Area) -> tuple[NewtSite, ...]:
    """Sites numbered as in a file."""
    return tuple(NewtSite(number, one) for number, one in enumerate(geometries, start=1))


def pond_at(x: float, y: float, side: float = 10.0) -> shapely.Polygon:
    """A square pond with its south-west corner at a point."""
    return rectangle(x, y, x + side, y + side)


def pond(number: int, geometry: Area, pans: Pans = "P", tmp_imp: TmpImp = "F") -> SurveyPond:
    """A surveyed pond."""
    return SurveyPond(number, geometry, pans, tmp_imp)


def survey(ponds: Iterable[SurveyPond | Area]) -> SurveyPonds:
    """A survey; a bare geometry is a pond with newts."""
    return SurveyPonds(
        tuple(
            one if isinstance(one, SurveyPond) else pond(number, one)
            for number, one in enumerate(ponds, start=1)
        ),
        "EPSG:27700",
    )


def zones(**colours: Area) -> Layer[RiskZone]:
    """A layer with one feature a colour."""
    keys = [RiskZone[colour.upper()] for colour in colours]
    return Layer(keys, np.array(list(colours.values()), dtype=object))


def assess(
    connection: Connection,
    layers: ReferenceLayers,
    sites: Iterable[Area],
    ponds: Iterable[SurveyPond | Area] | None,
    *,
    constants: GcnConstants = CONSTANTS,
    cache: LayerCache | None = None,
) -> GcnResult:
    """The result on ``layers``; national ponds if ``ponds`` is None."""
    return assess_gcn(
        connection,
        newt_sites(*sites),
        None if ponds is None else survey(ponds),
        layers.versions,
        constants,
        layers=cache,
    )
