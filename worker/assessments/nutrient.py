"""The nutrient assessment: sites and pinned reference layers in, results out.

Sites are taken in chunks. Small layers are held in memory; cells of the coefficient layer are
fetched around the sites and measured in process. Nothing of one site reaches another's result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice

import numpy as np
import shapely
from psycopg import Connection

from worker.assessments.cells import pieces
from worker.assessments.guards import no_checkpoint, require_pinned, usable_geometries
from worker.assessments.land_use import LandUse, land_use
from worker.assessments.layers import (
    EDP_BOUNDARIES,
    EDP_EXCLUDED_AREAS,
    LPA_BOUNDARIES,
    NN_CATCHMENTS,
    SUBCATCHMENTS,
    WWTW_CATCHMENTS,
    LayerCache,
    LayerKind,
)
from worker.assessments.nutrient_result import NutrientResult, SiteResult
from worker.assessments.nutrient_rules import FloatArray, dev_area_ha
from worker.assessments.nutrient_site import Lookups, Surroundings, site_result
from worker.assessments.overlay import Catchment, Geometries, KeyT, Overlaps
from worker.assessments.result import pinned_versions
from worker.boundary.model import Site
from worker.reference.versions import ReferenceVersions
from worker.settings import NutrientConstants

REQUIRED_LAYERS = (
    "coefficient_layer",
    "wwtw_catchments",
    "lpa_boundaries",
    "nn_catchments",
    "subcatchments",
    "edp_boundaries",
    "edp_excluded_areas",
    "wwtw_lookup",
    "rates_lookup",
)

# Enough for array calls to pay, few enough that a stop is noticed soon.
_CHUNK_SITES = 256


def assess_nutrient(
    connection: Connection,
    sites: Iterable[Site],
    versions: ReferenceVersions,
    constants: NutrientConstants,
    *,
    layers: LayerCache | None = None,
    checkpoint: Callable[[], None] = no_checkpoint,
) -> NutrientResult:
    """Nutrient impact of ``sites``, in their order; see ``assess_sites`` for what is raised."""
    results = assess_sites(
        connection, sites, versions, constants, layers=layers, checkpoint=checkpoint
    )
    return NutrientResult(
        sites=tuple(results),
        reference_versions=pinned_versions(versions, REQUIRED_LAYERS),
        constants=constants,
    )


def assess_sites(
    connection: Connection,
    sites: Iterable[Site],
    versions: ReferenceVersions,
    constants: NutrientConstants,
    *,
    layers: LayerCache | None = None,
    checkpoint: Callable[[], None] = no_checkpoint,
) -> Iterator[SiteResult]:
    """The result of each of ``sites``, in their order; memory does not grow with their number.

    ``layers`` outlives an assessment if it is kept by the caller. ``checkpoint`` is called between
    pieces of work and may raise to interrupt. Raises ReferenceDataMissing if a layer is not pinned
    or empty, and ReferenceDataError if layers contradict each other or hold an unusable geometry.
    """
    require_pinned(versions, REQUIRED_LAYERS)
    held = layers if layers is not None else LayerCache()
    assessment = _Assessment(connection, versions, constants, held, checkpoint)
    remaining = iter(sites)
    while chunk := list(islice(remaining, _CHUNK_SITES)):
        checkpoint()
        with usable_geometries():
            results = assessment.results(chunk)
        yield from results


class _Assessment:
    def __init__(
        self,
        connection: Connection,
        versions: ReferenceVersions,
        constants: NutrientConstants,
        layers: LayerCache,
        checkpoint: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._versions = versions
        self._constants = constants
        self._layers = layers
        self._checkpoint = checkpoint
        layers.check_rows(connection, versions, "coefficient_layer")
        self._lookups = Lookups(
            works=layers.works(connection, versions),
            rates=layers.rates(connection, versions),
            catchment_of_subcatchment=partial(
                layers.catchment_of_subcatchment, connection, versions
            ),
        )

    def results(self, sites: list[Site]) -> list[SiteResult]:
        """Results of a chunk of sites."""
        geometries = np.array([site.geometry for site in sites], dtype=object)
        shapely.prepare(geometries)
        catchments = self._overlaps(NN_CATCHMENTS, geometries)
        surroundings = self._surroundings(geometries, catchments)
        areas_ha = np.array([around.dev_area_ha for around in surroundings])
        # Both are sorted by site and catchment, so each site takes its own from the front.
        land_uses = iter(self._land_uses(catchments, areas_ha))
        shapely.destroy_prepared(geometries)
        return [
            site_result(
                site,
                around,
                tuple(islice(land_uses, len(around.catchments))),
                self._lookups,
                self._constants,
            )
            for site, around in zip(sites, surroundings, strict=True)
        ]

    def _surroundings(
        self, geometries: Geometries, catchments: Overlaps[Catchment]
    ) -> list[Surroundings]:
        return list(
            map(
                Surroundings,
                [dev_area_ha(area_m2) for area_m2 in shapely.area(geometries).tolist()],
                self._overlaps(WWTW_CATCHMENTS, geometries).shares(),
                self._overlaps(LPA_BOUNDARIES, geometries).shares(),
                self._overlaps(SUBCATCHMENTS, geometries).shares(),
                catchments.shares(),
                self._overlaps(EDP_BOUNDARIES, geometries).shares(),
                self._overlaps(EDP_EXCLUDED_AREAS, geometries).shares(),
            )
        )

    def _overlaps(self, kind: LayerKind[KeyT], geometries: Geometries) -> Overlaps[KeyT]:
        layer = self._layers.layer(self._connection, self._versions, kind, geometries)
        return layer.overlaps(geometries)

    def _land_uses(
        self, catchments: Overlaps[Catchment], site_areas_ha: FloatArray
    ) -> list[LandUse]:
        shapes = catchments.shapes()
        version = self._versions.of("coefficient_layer")
        found = pieces(self._connection, version, shapes, self._checkpoint)
        return land_use(found, len(shapes), site_areas_ha[catchments.site], self._constants)
