"""Nutrient results, their builders and a levy rate, for what is made from them."""

from __future__ import annotations

from decimal import Decimal

from worker.assessments.nutrient_result import CatchmentShare, NutrientResult, SiteResult
from worker.assessments.result import PinnedVersion
from worker.jobs.levy import LevyRate
from worker.settings import NutrientConstants

BROADS = CatchmentShare(oid=7, name="The Broads SAC", area_ha=1.5)
WENSUM = CatchmentShare(oid=12, name="River Wensum SAC", area_ha=0.5)
RATE = LevyRate(
    nn_catchment=BROADS.name,
    gbp_per_kg_n=Decimal("2000.5"),
    gbp_per_kg_p=Decimal(30000),
    inflation_factor=Decimal("1.1"),
    model_version=3,
    is_sample=False,
)
IN_SCOPE = SiteResult(
    site=1,
    id="A/1",
    name="Mill, Lane",
    dwelling_category="allocation",
    source="plan",
    dwellings=272,
    in_scope=True,
    dev_area_ha=16.36,
    area_in_nn_catchment_ha=16.36,
    area_without_cells_ha=0.0,
    area_without_coefficient_ha=0.0,
    nn_catchment="The Broads SAC",
    subcatchment="Yare",
    lpa="Broadland District",
    wwtw_id=141,
    wwtw_name="Package Treatment Plant default",
    wwtw_subcatchment="Yare",
    n_lu_uplift_kg_yr=-125.57,
    p_lu_uplift_kg_yr=16.0,
    n_lu_post_suds_kg_yr=-156.96,
    p_lu_post_suds_kg_yr=12.0,
    occupancy_rate=2.4,
    water_usage_l_person_day=120.0,
    litres_used_day=78336.0,
    rates_source="site",
    n_conc_2025_2030_mg_l=25.0,
    n_conc_2030_onwards_mg_l=25.0,
    p_conc_2025_2030_mg_l=4.5,
    p_conc_2030_onwards_mg_l=4.5,
    n_wwtw_temp_kg_yr=643.78,
    p_wwtw_temp_kg_yr=115.88,
    n_wwtw_perm_kg_yr=643.78,
    p_wwtw_perm_kg_yr=115.88,
    n_total_kg_yr=584.18,
    p_total_kg_yr=153.46,
)
OUT_OF_SCOPE = SiteResult(
    site=2,
    id=None,
    name="[red]Far[/red]",
    dwelling_category=None,
    source=None,
    dwellings=1200,
    in_scope=False,
    reason="The site is in no nutrient neutrality catchment.",
    lpa="UNKNOWN",
)


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


def pinned_result(*sites: SiteResult) -> NutrientResult:
    """A result with these sites and the version of a layer that it was computed with."""
    return NutrientResult(
        sites=sites,
        reference_versions={
            "nn_catchments": PinnedVersion(version=3, label="2025", source_sha256="f" * 64)
        },
        constants=NutrientConstants(),
    )
