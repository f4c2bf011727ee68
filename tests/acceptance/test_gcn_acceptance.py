"""The original tool's results for real sites and surveyed ponds on real layers."""

from __future__ import annotations

import csv
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from worker.assessments.gcn import assess_gcn, required_layers
from worker.assessments.gcn_result import GcnResult
from worker.assessments.layers import LayerCache
from worker.boundary.sandbox import Sandbox
from worker.boundary.sites import newt_sites_from_boundary
from worker.demo.postgis import DatabaseServer
from worker.reference.load import load_directory
from worker.reference.versions import pin_versions
from worker.settings import BoundarySettings, GcnConstants


@pytest.fixture(scope="module")
def loaded(
    postgis: DatabaseServer, database_template: str, acceptance_dir: Path
) -> Iterator[psycopg.Connection]:
    name = f"newts-{uuid.uuid4().hex[:12]}"
    url = postgis.create_database(name, database_template)
    with psycopg.connect(url, autocommit=True) as connection:
        load_directory(
            connection, acceptance_dir / "reference", label="acceptance", loaded_by="tests"
        )
        yield connection
    postgis.drop_database(name)


def assess(
    connection: psycopg.Connection, acceptance_dir: Path, cache: LayerCache | None = None
) -> GcnResult:
    with Sandbox(BoundarySettings(), GcnConstants()) as sandbox:
        boundary = sandbox.read_boundary(acceptance_dir / "gcn" / "site_boundary.zip")
        survey = sandbox.read_survey_ponds(acceptance_dir / "gcn" / "site_ponds.zip")
    assert (len(boundary.features), len(survey.ponds), survey.warnings) == (4, 559, ())
    versions = pin_versions(connection, required_layers(has_survey=True))
    return assess_gcn(
        connection,
        newt_sites_from_boundary(boundary),
        survey,
        versions,
        GcnConstants(),
        layers=cache,
    )


@pytest.fixture(scope="module")
def result(loaded: psycopg.Connection, acceptance_dir: Path) -> GcnResult:
    return assess(loaded, acceptance_dir)


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def test_every_pond_frequency_is_the_original_tools(
    result: GcnResult, acceptance_dir: Path
) -> None:
    expected = rows(acceptance_dir / "gcn" / "expected_ponds.csv")

    ours = {(one.pans, one.area, one.max_zone, one.tmp_imp): one.frequency for one in result.ponds}

    assert ours == {
        (row["pans"], row["area"], row["max_zone"], row["tmp_imp"]): int(row["frequency"])
        for row in expected
    }


def test_habitat_of_both_sites_is_the_original_tools_within_a_twentieth_of_a_percent(
    result: GcnResult, acceptance_dir: Path
) -> None:
    expected = rows(acceptance_dir / "gcn" / "expected_habitat.csv")

    ours = {
        (one.site, one.area, one.risk_zone): one.habitat_area_m2
        for one in result.habitat
        if one.site in (1, 2)
    }

    assert ours == pytest.approx(
        {
            (int(row["site"]), row["area"], row["risk_zone"]): float(row["habitat_area_m2"])
            for row in expected
        },
        rel=0.0005,
    )


def test_partners_together_have_what_there_is(result: GcnResult) -> None:
    by_place: dict[tuple[int | None, str], float] = {}
    for one in result.habitat_by_edp:
        assert one.edp_name in ("AreaA", "AreaB")
        key = (one.site, one.risk_zone)
        by_place[key] = by_place.get(key, 0.0) + one.habitat_area_m2

    assert by_place == pytest.approx(
        {(one.site, one.risk_zone): one.habitat_area_m2 for one in result.habitat}, abs=0.1
    )
    assert sum(one.frequency for one in result.ponds_by_edp) == 132


def test_layers_read_near_the_sites_give_what_whole_layers_give(
    loaded: psycopg.Connection, acceptance_dir: Path, result: GcnResult
) -> None:
    assert assess(loaded, acceptance_dir, LayerCache(max_held_bytes=0)) == result
