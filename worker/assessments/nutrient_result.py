"""What a nutrient assessment says: frozen models with the field names of the published JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from worker.assessments.result import Fact, PinnedVersion
from worker.settings import NutrientConstants

RatesSource = Literal["site", "works-subcatchment", "default"]
Nutrient = Literal["N", "P"]


class CatchmentShare(Fact):
    """A nutrient neutrality catchment that the site meets, with its share of the assessed area."""

    oid: int
    name: str
    area_ha: float


class PlanArea(Fact):
    """A plan area or an excluded area that the site meets, with the area they share."""

    name: str
    area_ha: float


class MissingCoefficient(Fact):
    """How much of the site's area has no uplift of a nutrient, for want of a coefficient."""

    nutrient: Nutrient
    area_ha: float


class SiteResult(Fact):
    """One development; areas in ha, loads and uplifts in kg/year, concentrations in mg/l.

    A site that is out of scope has a ``reason`` and no numbers. A site in scope whose treatment
    works has no row in the lookup has a ``reason`` too, and neither loads nor totals.
    """

    site: int
    id: str | None
    name: str | None
    dwelling_category: str | None
    source: str | None
    dwellings: int
    in_scope: bool
    reason: str | None = None
    dev_area_ha: float | None = None
    area_in_nn_catchment_ha: float | None = None
    area_without_cells_ha: float | None = None
    area_without_coefficient_ha: float | None = None
    missing_coefficients: tuple[MissingCoefficient, ...] = ()
    nn_catchment: str | None = None
    nn_catchments: tuple[CatchmentShare, ...] = ()
    subcatchment: str | None = None
    lpa: str | None = None
    wwtw_id: int | None = None
    wwtw_name: str | None = None
    wwtw_subcatchment: str | None = None
    n_lu_uplift_kg_yr: float | None = None
    p_lu_uplift_kg_yr: float | None = None
    n_lu_post_suds_kg_yr: float | None = None
    p_lu_post_suds_kg_yr: float | None = None
    occupancy_rate: float | None = None
    water_usage_l_person_day: float | None = None
    litres_used_day: float | None = None
    rates_source: RatesSource | None = None
    rates_catchment: str | None = None
    rates_catchment_oid: int | None = None
    n_conc_2025_2030_mg_l: float | None = None
    n_conc_2030_onwards_mg_l: float | None = None
    p_conc_2025_2030_mg_l: float | None = None
    p_conc_2030_onwards_mg_l: float | None = None
    blank_concentrations: tuple[str, ...] = ()
    n_wwtw_temp_kg_yr: float | None = None
    p_wwtw_temp_kg_yr: float | None = None
    n_wwtw_perm_kg_yr: float | None = None
    p_wwtw_perm_kg_yr: float | None = None
    n_total_kg_yr: float | None = None
    p_total_kg_yr: float | None = None
    edp_boundaries: tuple[PlanArea, ...] = ()
    edp_excluded_areas: tuple[PlanArea, ...] = ()
    warnings: tuple[str, ...] = ()


class NutrientResult(Fact):
    """A whole assessment: sites in file order, the layer versions and the constants used."""

    assessment: Literal["nutrient"] = "nutrient"
    sites: tuple[SiteResult, ...]
    reference_versions: Mapping[str, PinnedVersion]
    constants: NutrientConstants
