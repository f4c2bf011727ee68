"""The regulator's own results for real sites on real layers."""

from __future__ import annotations

import csv
import itertools
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from worker.assessments import nutrient_rules as rules
from worker.assessments.nutrient import REQUIRED_LAYERS, assess_nutrient
from worker.assessments.nutrient_result import SiteResult
from worker.assessments.nutrient_rules import Load
from worker.boundary.sandbox import Sandbox
from worker.boundary.sites import sites_from_boundary
from worker.demo.postgis import DatabaseServer
from worker.reference.generate import generate
from worker.reference.load import load_directory
from worker.reference.versions import pin_versions
from worker.settings import BoundarySettings, GcnConstants, NutrientConstants

NOT_COMPARABLE = "*"
# With room for the error of subtracting two decimals in binary.
A_HUNDREDTH = 0.01 + 1e-9

TEXTS = {
    "id": "id",
    "NN_Catchment": "nn_catchment",
    "Dev_SubCatchment": "subcatchment",
    "Majority_LPA": "lpa",
    "WwTW_name": "wwtw_name",
    "WwTw_SubCatchment": "wwtw_subcatchment",
}
EXACT = {
    "Dwellings": "dwellings",
    "Dev_Area_Ha": "dev_area_ha",
    "Majority_WwTw_ID": "wwtw_id",
    "Occ_Rate": "occupancy_rate",
    "Water_Usage_L_Day": "water_usage_l_person_day",
    "Litres_used": "litres_used_day",
    "Nitrogen_2025_2030": "n_conc_2025_2030_mg_l",
    "Nitrogen_2030_onwards": "n_conc_2030_onwards_mg_l",
    "Phosphorus_2025_2030": "p_conc_2025_2030_mg_l",
    "Phosphorus_2030_onwards": "p_conc_2030_onwards_mg_l",
}
WITHIN_A_HUNDREDTH = {
    "AreaInNNCatchment": "area_in_nn_catchment_ha",
    "N_WwTW_Temp": "n_wwtw_temp_kg_yr",
    "P_WwTW_Temp": "p_wwtw_temp_kg_yr",
    "N_WwTW_Perm": "n_wwtw_perm_kg_yr",
    "P_WwTW_Perm": "p_wwtw_perm_kg_yr",
}


@pytest.fixture(scope="module")
def sample(acceptance_dir: Path) -> Path:
    return acceptance_dir / "nutrient" / "broads_wensum_sample.zip"


@pytest.fixture(scope="module")
def results(
    postgis: DatabaseServer,
    database_template: str,
    acceptance_dir: Path,
    sample: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[int, SiteResult]]:
    """Results by the SITE_NO that the sample's features carry."""
    generated = tmp_path_factory.mktemp("generated")
    generate(generated, seed=7, cells=60_000, from_dir=acceptance_dir / "reference")
    name = f"acceptance-{uuid.uuid4().hex[:12]}"
    url = postgis.create_database(name, database_template)
    with psycopg.connect(url, autocommit=True) as connection:
        for directory in (acceptance_dir / "reference", generated):
            load_directory(connection, directory, label=directory.name, loaded_by="tests")
        versions = pin_versions(connection, REQUIRED_LAYERS)
        with Sandbox(BoundarySettings(), GcnConstants()) as sandbox:
            sites = sites_from_boundary(sandbox.read_boundary(sample), dwellings=None)
        result = assess_nutrient(connection, sites, versions, NutrientConstants())
    numbers = site_numbers(sample)
    yield {numbers[site.site - 1]: site for site in result.sites}
    postgis.drop_database(name)


@pytest.fixture(scope="module")
def expected(acceptance_dir: Path) -> dict[int, dict[str, str]]:
    path = acceptance_dir / "nutrient" / "broads_wensum_sample_expected.csv"
    with path.open(newline="", encoding="utf-8") as file:
        return {int(row["SITE_NO"]): row for row in csv.DictReader(file)}


def site_numbers(sample: Path) -> list[int]:
    import fiona

    with fiona.open(f"zip://{sample}") as features:
        return [feature["properties"]["SITE_NO"] for feature in features]


def test_every_site_of_the_file_has_a_result(results: dict[int, SiteResult], sample: Path) -> None:
    assert sorted(results) == sorted(site_numbers(sample))


def test_scope_is_the_regulators(
    results: dict[int, SiteResult], expected: dict[int, dict[str, str]]
) -> None:
    assert {number for number, site in results.items() if site.in_scope} == set(expected)


@pytest.mark.parametrize("column", TEXTS)
def test_names_agree(
    results: dict[int, SiteResult], expected: dict[int, dict[str, str]], column: str
) -> None:
    ours = {number: tidy(getattr(results[number], TEXTS[column])) for number in expected}

    assert ours == {number: tidy(row[column]) for number, row in expected.items()}


@pytest.mark.parametrize("column", EXACT)
def test_figures_agree_exactly(
    results: dict[int, SiteResult], expected: dict[int, dict[str, str]], column: str
) -> None:
    theirs = figures(expected, column)

    assert theirs
    assert {number: getattr(results[number], EXACT[column]) for number in theirs} == theirs


@pytest.mark.parametrize("column", WITHIN_A_HUNDREDTH)
def test_figures_agree_within_a_hundredth(
    results: dict[int, SiteResult], expected: dict[int, dict[str, str]], column: str
) -> None:
    theirs = figures(expected, column)
    ours = {number: getattr(results[number], WITHIN_A_HUNDREDTH[column]) for number in theirs}

    assert theirs
    assert ours == pytest.approx(theirs, abs=A_HUNDREDTH)


def test_uplift_drainage_and_total_are_the_regulators(
    acceptance_dir: Path, expected: dict[int, dict[str, str]]
) -> None:
    path = acceptance_dir / "nutrient" / "broads_wensum_sample_totals.csv"
    constants = NutrientConstants()
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    assert {int(row["SITE_NO"]) for row in rows} <= set(expected)
    for row, nutrient in itertools.product(rows, ("N", "P")):
        uplift = round(100 * float(row[f"{nutrient}_LU_Uplift"] or 0)) / 100
        their_after = float(row[f"{nutrient}_LU_postSuDS"] or 0)
        their_total = float(row[f"{nutrient}_Total"])
        load = Load(0.0, float(row[f"{nutrient}_WwTW_Perm"]))
        after = rules.after_suds(uplift, int(row["Dwellings"]), constants)
        # A few of the tool's own half-hundredths fall the other way.
        assert after == pytest.approx(their_after, abs=A_HUNDREDTH)
        assert rules.total(their_after, load, constants) == pytest.approx(
            their_total, abs=A_HUNDREDTH
        )


def figures(expected: dict[int, dict[str, str]], column: str) -> dict[int, float]:
    """The regulator's figures; blank is none and counts as 0."""
    return {
        number: float(row[column] or 0)
        for number, row in expected.items()
        if row[column] != NOT_COMPARABLE
    }


def tidy(text: str | None) -> str:
    return " ".join((text or "").split())
