"""The published layers load, and what the loader did to them is what the specification says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from worker.demo.postgis import DatabaseServer
from worker.reference.generate import generate
from worker.reference.load import load_directory
from worker.reference.report import LoadReport


@pytest.fixture(scope="module")
def database(postgis: DatabaseServer, database_template: str) -> Iterator[str]:
    yield postgis.create_database("acceptance-reference", database_template)
    postgis.drop_database("acceptance-reference")


@pytest.fixture(scope="module")
def report(database: str, acceptance_dir: Path) -> LoadReport:
    with psycopg.connect(database) as connection:
        return load_directory(
            connection, acceptance_dir / "reference", label="acceptance", loaded_by="tests"
        )


def test_every_published_layer_is_loaded_whole(report: LoadReport) -> None:
    assert {layer.layer: layer.row_count for layer in report.layers} == {
        "wwtw_catchments": 62,
        "lpa_boundaries": 11,
        "nn_catchments": 5,
        "subcatchments": 10,
        "gcn_risk_zones": 107,
        "edp_edges": 2,
        "edp_boundaries": 1,
        "edp_excluded_areas": 3,
        "wwtw_lookup": 516,
        "rates_lookup": 30,
    }
    assert report.absent == ("coefficient_layer", "gcn_ponds", "levy_rates")


def test_works_lookup_follows_its_rules(report: LoadReport, database: str) -> None:
    told = {
        finding.code: (finding.severity, finding.count)
        for finding in report.layer_findings
        if finding.layer == "wwtw_lookup" and finding.code != "value_missing"
    }
    assert told == {
        "works_without_code": ("note", 128),
        "works_several_codes": ("note", 5),
        "works_doubtful_code": ("warning", 1),
        "works_duplicate_code": ("note", 2),
        "works_conflicting_permits": ("warning", 1),
        "value_unparsable": ("warning", 1),
    }
    # 641 rows, 128 skipped, 5 that stand for two works, 2 that repeat a code.
    assert 641 - 128 + 5 - 2 == 516
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT wwtw_code, n_conc_2030_onwards, p_conc_2030_onwards, source_row"
            " FROM reference.wwtw_lookup WHERE wwtw_code = ANY(%s) ORDER BY wwtw_code",
            ([141, 213, 4620, 9602, 10197, 10261],),
        ).fetchall()
    assert [(code, row) for code, *_, row in rows] == [
        (141, 141),
        (213, 397),
        (4620, 397),
        (9602, 248),
        (10197, 248),
        (10261, 441),
    ]
    assert rows[0][1:3] == (25.0, 4.5)


def test_pieces_of_every_layer_have_its_area(report: LoadReport, database: str) -> None:
    with psycopg.connect(database) as connection:
        for layer in ("nn_catchments", "gcn_risk_zones", "lpa_boundaries", "edp_boundaries"):
            ((whole, pieces),) = connection.execute(
                f"SELECT (SELECT sum(ST_Area(geom)) FROM reference.{layer}),"
                f" (SELECT sum(ST_Area(geom)) FROM reference.{layer}_parts)"
            ).fetchall()
            assert pieces == pytest.approx(whole, rel=1e-9), layer


def test_generated_cells_tile_the_published_catchments(
    tmp_path: Path, acceptance_dir: Path, report: LoadReport, database: str
) -> None:
    generate(tmp_path, seed=1, cells=3_000, from_dir=acceptance_dir / "reference")
    assert {path.name for path in tmp_path.iterdir()} == {
        "coefficient_layer.gpkg",
        "gcn_ponds.gpkg",
    }
    with psycopg.connect(database) as connection:
        load_directory(connection, tmp_path, label="generated", loaded_by="tests")

        rows = connection.execute(
            """
            SELECT
                catchment.oid,
                ST_Area(catchment.geom) / 10000,
                sum(ST_Area(ST_Intersection(cell.geom, catchment.geom))) / 10000
            FROM reference.nn_catchments AS catchment
            JOIN reference.coefficient_layer AS cell
                ON ST_Intersects(cell.geom, catchment.geom)
            GROUP BY catchment.oid, catchment.geom
            """
        ).fetchall()

    assert len(rows) == 5
    for oid, catchment_ha, cells_ha in rows:
        assert cells_ha == pytest.approx(catchment_ha, abs=1e-4), oid


def test_generation_over_a_read_only_folder_leaves_it_alone(
    tmp_path: Path, acceptance_dir: Path
) -> None:
    source = tmp_path / "source"
    shutil.copytree(acceptance_dir / "reference", source)
    before = {path.name: path.read_bytes() for path in source.iterdir()}

    generate(tmp_path / "out", seed=1, cells=500, from_dir=source)

    assert {path.name: path.read_bytes() for path in source.iterdir()} == before
