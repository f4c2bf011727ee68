"""The nutrient result as the regulator's CSV: its columns, in its order."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from typing import TextIO, TypeAlias

from worker.assessments.nutrient_result import SiteResult

Value: TypeAlias = str | int | float | None

# The tool leaves land use blank where no catchment is met; 0 would say that it was looked at.
_Column: TypeAlias = tuple[str, Callable[[SiteResult], Value]]


def _in_catchment(site: SiteResult, value: float | None) -> float | None:
    return value if site.nn_catchment else None


_COLUMNS: tuple[_Column, ...] = (
    ("RLB_ID", lambda s: s.site),
    ("id", lambda s: s.id),
    ("Name", lambda s: s.name),
    ("Dwel_Cat", lambda s: s.dwelling_category),
    ("Source", lambda s: s.source),
    ("Dwellings", lambda s: s.dwellings),
    ("Dev_Area_Ha", lambda s: s.dev_area_ha),
    ("AreaInNNCatchment", lambda s: _in_catchment(s, s.area_in_nn_catchment_ha)),
    ("NN_Catchment", lambda s: s.nn_catchment),
    ("Dev_SubCatchment", lambda s: s.subcatchment),
    ("Majority_LPA", lambda s: s.lpa),
    ("Majority_WwTw_ID", lambda s: s.wwtw_id),
    ("WwTW_name", lambda s: s.wwtw_name),
    ("WwTw_SubCatchment", lambda s: s.wwtw_subcatchment),
    ("N_LU_Uplift", lambda s: _in_catchment(s, s.n_lu_uplift_kg_yr)),
    ("P_LU_Uplift", lambda s: _in_catchment(s, s.p_lu_uplift_kg_yr)),
    ("N_LU_postSuDS", lambda s: _in_catchment(s, s.n_lu_post_suds_kg_yr)),
    ("P_LU_postSuDS", lambda s: _in_catchment(s, s.p_lu_post_suds_kg_yr)),
    ("Occ_Rate", lambda s: s.occupancy_rate),
    ("Water_Usage_L_Day", lambda s: s.water_usage_l_person_day),
    ("Litres_used", lambda s: s.litres_used_day),
    ("Nitrogen_2025_2030", lambda s: s.n_conc_2025_2030_mg_l),
    ("Nitrogen_2030_onwards", lambda s: s.n_conc_2030_onwards_mg_l),
    ("Phosphorus_2025_2030", lambda s: s.p_conc_2025_2030_mg_l),
    ("Phosphorus_2030_onwards", lambda s: s.p_conc_2030_onwards_mg_l),
    ("N_WwTW_Temp", lambda s: s.n_wwtw_temp_kg_yr),
    ("P_WwTW_Temp", lambda s: s.p_wwtw_temp_kg_yr),
    ("N_WwTW_Perm", lambda s: s.n_wwtw_perm_kg_yr),
    ("P_WwTW_Perm", lambda s: s.p_wwtw_perm_kg_yr),
    ("N_Total", lambda s: s.n_total_kg_yr),
    ("P_Total", lambda s: s.p_total_kg_yr),
)

# A spreadsheet runs what begins like this as a formula, and names come from uploaded files.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_nutrient_csv(sites: Iterable[SiteResult], file: TextIO) -> None:
    """Write one row for each of ``sites``; a site out of scope has its names and no numbers.

    ``file`` should be opened with ``newline=""``.
    """
    writer = csv.writer(file)
    writer.writerow([name for name, _ in _COLUMNS])
    for site in sites:
        writer.writerow([_safe(value(site)) for _, value in _COLUMNS])


def _safe(value: Value) -> Value:
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value
