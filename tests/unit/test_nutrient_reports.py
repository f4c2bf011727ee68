"""The CSV and the terminal table of a nutrient result."""

from __future__ import annotations

import csv
import io
import json

from rich.console import Console

from tests.fakes.nutrient_results import IN_SCOPE, OUT_OF_SCOPE, pinned_result
from worker.assessments.nutrient_result import NutrientResult, SiteResult
from worker.reports.nutrient_csv import write_nutrient_csv
from worker.reports.nutrient_table import nutrient_table
from worker.settings import NutrientConstants

REGULATORS_COLUMNS = (
    "RLB_ID,id,Name,Dwel_Cat,Source,Dwellings,Dev_Area_Ha,AreaInNNCatchment,NN_Catchment,"
    "Dev_SubCatchment,Majority_LPA,Majority_WwTw_ID,WwTW_name,WwTw_SubCatchment,N_LU_Uplift,"
    "P_LU_Uplift,N_LU_postSuDS,P_LU_postSuDS,Occ_Rate,Water_Usage_L_Day,Litres_used,"
    "Nitrogen_2025_2030,Nitrogen_2030_onwards,Phosphorus_2025_2030,Phosphorus_2030_onwards,"
    "N_WwTW_Temp,P_WwTW_Temp,N_WwTW_Perm,P_WwTW_Perm,N_Total,P_Total"
)


def rows(*sites: SiteResult) -> list[dict[str, str]]:
    file = io.StringIO(newline="")
    write_nutrient_csv(sites, file)
    return list(csv.DictReader(io.StringIO(file.getvalue(), newline="")))


def rendered(*sites: SiteResult) -> str:
    console = Console(width=160, file=io.StringIO(), color_system=None)
    console.print(nutrient_table(pinned_result(*sites)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_columns_are_the_regulators_in_its_order() -> None:
    (row,) = rows(IN_SCOPE)

    assert ",".join(row) == REGULATORS_COLUMNS
    assert list(row.values()) == [
        *("1", "A/1", "Mill, Lane", "allocation", "plan", "272", "16.36", "16.36"),
        *("The Broads SAC", "Yare", "Broadland District", "141"),
        *(
            "Package Treatment Plant default",
            "Yare",
            "-125.57",
            "16.0",
            "-156.96",
            "12.0",
        ),
        *("2.4", "120.0", "78336.0", "25.0", "25.0", "4.5", "4.5"),
        *("643.78", "115.88", "643.78", "115.88", "584.18", "153.46"),
    ]


def test_a_site_out_of_scope_is_a_row_without_numbers() -> None:
    _, row = rows(IN_SCOPE, OUT_OF_SCOPE)

    assert {name: value for name, value in row.items() if value} == {
        "RLB_ID": "2",
        "Name": "[red]Far[/red]",
        "Dwellings": "1200",
        "Majority_LPA": "UNKNOWN",
    }


def test_land_use_is_blank_where_no_catchment_is_met() -> None:
    through_works = IN_SCOPE.model_copy(
        update={
            "nn_catchment": None,
            "area_in_nn_catchment_ha": 0.0,
            "n_lu_uplift_kg_yr": 0.0,
        }
    )

    (row,) = rows(through_works)

    assert (row["AreaInNNCatchment"], row["NN_Catchment"], row["N_LU_Uplift"]) == (
        "",
        "",
        "",
    )
    assert row["N_Total"] == "584.18"


def test_names_are_never_formulas() -> None:
    (row,) = rows(IN_SCOPE.model_copy(update={"name": "=HYPERLINK(1)", "id": "@x"}))

    assert (row["Name"], row["id"]) == ("'=HYPERLINK(1)", "'@x")


def test_the_table_shows_totals_scope_and_reasons() -> None:
    text = rendered(IN_SCOPE, OUT_OF_SCOPE)

    assert "1 of 2 sites in scope" in text
    assert "584.18" in text
    assert "out of scope" in text
    assert "Site 2: The site is in no nutrient neutrality catchment." in text
    assert "[red]Far[/red]" in text


def test_a_result_survives_storage_as_json() -> None:
    stored = pinned_result(IN_SCOPE, OUT_OF_SCOPE)

    assert NutrientResult.model_validate_json(stored.model_dump_json()) == stored


def test_constants_of_a_stored_result_are_its_own() -> None:
    stored = NutrientResult(
        sites=(),
        reference_versions={},
        constants=NutrientConstants(wastewater_factor=0.5),
    )

    read = NutrientResult.model_validate_json(stored.model_dump_json())

    assert read.constants.wastewater_factor == 0.5


def test_published_json_fields_are_there() -> None:
    published = {
        *("site", "id", "name", "dwellings", "in_scope", "reason", "dev_area_ha"),
        *("area_in_nn_catchment_ha", "area_without_cells_ha", "area_without_coefficient_ha"),
        *("nn_catchment", "nn_catchments", "subcatchment", "lpa"),
        *("wwtw_id", "wwtw_name", "wwtw_subcatchment"),
        *("n_lu_uplift_kg_yr", "p_lu_uplift_kg_yr"),
        *("n_lu_post_suds_kg_yr", "p_lu_post_suds_kg_yr"),
        *("occupancy_rate", "water_usage_l_person_day", "litres_used_day", "rates_source"),
        *("n_conc_2025_2030_mg_l", "n_conc_2030_onwards_mg_l"),
        *("p_conc_2025_2030_mg_l", "p_conc_2030_onwards_mg_l"),
        *("n_wwtw_temp_kg_yr", "p_wwtw_temp_kg_yr", "n_wwtw_perm_kg_yr", "p_wwtw_perm_kg_yr"),
        *("n_total_kg_yr", "p_total_kg_yr", "warnings"),
    }

    written = json.loads(pinned_result(OUT_OF_SCOPE).model_dump_json())

    assert {"assessment", "sites", "reference_versions", "constants"} == set(written)
    assert published <= set(written["sites"][0])
