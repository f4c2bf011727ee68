"""Builders of nutrient results, for what is made from them."""

from __future__ import annotations

from worker.assessments.nutrient_result import CatchmentShare, NutrientResult, SiteResult
from worker.settings import NutrientConstants

BROADS = CatchmentShare(oid=7, name="The Broads SAC", area_ha=1.5)
WENSUM = CatchmentShare(oid=12, name="River Wensum SAC", area_ha=0.5)


def site_result(
    *catchments: CatchmentShare,
    nitrogen_kg_yr: float | None = 12.34,
    phosphorus_kg_yr: float | None = 1.5,
    in_scope: bool = True,
    reason: str | None = None,
    rates_catchment: str | None = None,
    rates_catchment_oid: int | None = None,
) -> SiteResult:
    """One site that meets ``catchments``, with these totals."""
    return SiteResult(
        site=1,
        id=None,
        name=None,
        dwelling_category=None,
        source=None,
        dwellings=10,
        in_scope=in_scope,
        reason=reason,
        nn_catchments=catchments,
        rates_catchment=rates_catchment,
        rates_catchment_oid=rates_catchment_oid,
        n_total_kg_yr=nitrogen_kg_yr,
        p_total_kg_yr=phosphorus_kg_yr,
    )


def nutrient_result(site: SiteResult) -> NutrientResult:
    """A result with that one site."""
    return NutrientResult(sites=(site,), reference_versions={}, constants=NutrientConstants())
