"""Layers are loaded whole or not at all, and nothing that was dropped or changed goes untold."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psycopg
import pytest
import shapely

from tests.fakes.reference_files import (
    Feature,
    bow_tie,
    catchment,
    square,
    write_catchments,
    write_features,
    write_rates,
    write_table,
    write_works,
)
from worker.clients.db import Connection
from worker.errors import ReferenceDataError, ReferenceDataMissing, TransientError
from worker.reference.checks import Finding, ReferenceChecksFailed
from worker.reference.inventory import history, list_versions
from worker.reference.load import load_directory
from worker.reference.progress import Silent
from worker.reference.report import LoadReport
from worker.reference.versions import active_versions, pin_versions


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url) as connection:
        yield connection


@pytest.fixture
def reader(database_url: str) -> Iterator[Connection]:
    """Somebody else's connection."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def load(connection: Connection, directory: Path) -> LoadReport:
    return load_directory(connection, directory, label="test", loaded_by="tester")


def refusal(connection: Connection, directory: Path) -> Finding:
    """The only error for which loading ``directory`` is refused."""
    with pytest.raises(ReferenceChecksFailed) as raised:
        load(connection, directory)
    (finding,) = (one for one in raised.value.findings if one.severity == "error")
    return finding


def codes(findings: Sequence[Finding]) -> set[str]:
    return {finding.code for finding in findings}


def test_loaded_features_are_active_and_queryable(
    tmp_path: Path, connection: Connection, reader: Connection
) -> None:
    write_catchments(tmp_path, [catchment(7, " Testmere SAC\t"), catchment(9, "Otherfen")])

    report = load(connection, tmp_path)

    assert [(layer.layer, layer.version, layer.row_count) for layer in report.layers] == [
        ("nn_catchments", 1, 2)
    ]
    rows = reader.execute(
        "SELECT id, oid, n2k_site_name, ST_Area(geom) FROM reference.nn_catchments"
        " WHERE version = 1 ORDER BY id"
    ).fetchall()
    assert rows == [(1, 7, "Testmere SAC", 1e6), (2, 9, "Otherfen", 1e6)]
    assert active_versions(reader).of("nn_catchments") == 1


@pytest.mark.parametrize("suffix", [".gpkg", ".shp", ".gdb"])
def test_every_format_gives_the_same_rows(
    tmp_path: Path, connection: Connection, suffix: str
) -> None:
    hole = shapely.Polygon(square().exterior, [square(600_200, 300_200, 100).exterior])
    both = shapely.MultiPolygon([hole, square(610_000)])
    write_catchments(tmp_path, [catchment(1, geometry=both)], suffix=suffix)

    load(connection, tmp_path)

    (row,) = connection.execute(
        "SELECT oid, n2k_site_name, ST_AsBinary(geom) FROM reference.nn_catchments"
    ).fetchall()
    assert row[:2] == (1, "Testmere SAC")
    assert shapely.equals(shapely.from_wkb(row[2]), both)


def test_z_and_m_are_dropped(tmp_path: Path, connection: Connection) -> None:
    flat = square()
    write_catchments(tmp_path, [catchment(1, geometry=shapely.force_3d(flat, 12.5))])

    load(connection, tmp_path)

    (row,) = connection.execute(
        "SELECT ST_CoordDim(geom), ST_Area(geom) FROM reference.nn_catchments"
    ).fetchall()
    assert row == (2, flat.area)


def test_large_polygons_are_subdivided_without_losing_area(
    tmp_path: Path, connection: Connection
) -> None:
    round_lake = shapely.Point(600_000, 300_000).buffer(5000, quad_segs=500)
    write_catchments(tmp_path, [catchment(1, geometry=round_lake)])

    load(connection, tmp_path)

    (row,) = connection.execute(
        "SELECT count(*), max(ST_NPoints(geom)), sum(ST_Area(geom))"
        " FROM reference.nn_catchments_parts WHERE version = 1 AND id = 1"
    ).fetchall()
    assert row[0] > 10
    assert row[1] <= 129
    assert row[2] == pytest.approx(round_lake.area, abs=0.01)


def test_queries_by_place_use_an_index_of_the_loaded_version(
    tmp_path: Path, connection: Connection
) -> None:
    many = [catchment(n, geometry=square(600_000 + 20 * n, side=10)) for n in range(2000)]
    write_catchments(tmp_path, many)
    load(connection, tmp_path)

    plan = connection.execute(
        "EXPLAIN SELECT id FROM reference.nn_catchments WHERE version = 1"
        " AND geom && ST_MakeEnvelope(610000, 300000, 610100, 300100, 27700)"
    ).fetchall()

    assert "nn_catchments_v1_geom_idx" in "\n".join(row[0] for row in plan)


def test_layer_without_a_source_keeps_its_version(tmp_path: Path, connection: Connection) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    write_catchments(first, [catchment(1)])
    write_rates(second, [("Testmere SAC", "2.4", 120)])
    load(connection, first)

    report = load(connection, second)

    assert report.kept == ("nn_catchments",)
    assert "coefficient_layer" in report.absent
    active = active_versions(connection)
    assert (active.of("nn_catchments"), active.of("rates_lookup")) == (1, 1)


def test_pinned_versions_survive_a_later_load(
    tmp_path: Path, connection: Connection, reader: Connection
) -> None:
    write_rates(tmp_path, [("Testmere SAC", 2.4, 120)])
    load(connection, tmp_path)
    pinned = pin_versions(reader, ["rates_lookup"])
    (tmp_path / "lookups.sqlite").unlink()
    write_rates(tmp_path, [("Testmere SAC", 2.1, 100)])

    load(connection, tmp_path)

    assert pin_versions(reader, ["rates_lookup"]).of("rates_lookup") == 2
    rows = reader.execute(
        "SELECT occupancy_rate FROM reference.rates_lookup WHERE version = %s",
        (pinned.of("rates_lookup"),),
    ).fetchall()
    assert rows == [(2.4,)]


def test_pinning_names_the_layers_that_are_not_loaded(
    tmp_path: Path, connection: Connection
) -> None:
    write_rates(tmp_path, [("Testmere SAC", 2.4, 120)])
    load(connection, tmp_path)

    with pytest.raises(ReferenceDataMissing) as raised:
        pin_versions(connection, ["rates_lookup", "nn_catchments", "subcatchments"])

    assert raised.value.code == "reference_data_missing"
    assert "nn_catchments, subcatchments" in raised.value.sentence


def test_text_that_is_no_number_becomes_null_and_is_reported(
    tmp_path: Path, connection: Connection
) -> None:
    write_works(
        tmp_path,
        [
            ("Lark", "West ", "\t1001", " 12.5 ", 10.0, "f", ""),
            ("Lark", "East", "1002", "nan", None, "0.25", "0.25"),
        ],
    )

    report = load(connection, tmp_path)

    assert connection.execute(
        "SELECT wwtw_code, name, n_conc_2025_2030, n_conc_2030_onwards, p_conc_2025_2030,"
        " p_conc_2030_onwards, source_row FROM reference.wwtw_lookup ORDER BY id"
    ).fetchall() == [
        (1001, "West", 12.5, 10.0, None, None, 1),
        (1002, "East", None, None, 0.25, 0.25, 2),
    ]
    unparsable = [one for one in report.warnings if one.code == "value_unparsable"]
    assert [(one.count, one.samples) for one in unparsable] == [
        (1, ("row 2: 'nan'",)),
        (1, ("row 1: 'f'",)),
    ]


def test_works_rules_are_applied_and_told(tmp_path: Path, connection: Connection) -> None:
    write_works(
        tmp_path,
        [
            (None, "No code", None, "1", 1, "1", "1"),
            (None, "Blank code", " \t", "1", 1, "1", "1"),
            ("Lark", "Twins", "9602 or \t10197", "20", 10.0, "2", "1"),
            ("Lark", "Doubtful", "4620?", "20", 10.0, "2", "1"),
            ("Lark", "Same again", "9602", "20.0", 10, " 2", "1.0"),
            ("Lark", "Contradiction", "10197", "30", 10, "2", "1"),
        ],
    )

    report = load(connection, tmp_path)

    assert connection.execute(
        "SELECT wwtw_code, name, source_row FROM reference.wwtw_lookup ORDER BY id"
    ).fetchall() == [(9602, "Twins", 3), (10197, "Twins", 3), (4620, "Doubtful", 4)]
    told = {one.code: (one.severity, one.count, one.samples) for one in report.layer_findings}
    assert told == {
        "works_without_code": ("note", 2, ("row 1", "row 2")),
        "works_several_codes": ("note", 1, ("row 3: '9602 or \\t10197'",)),
        "works_doubtful_code": ("warning", 1, ("row 4: '4620?'",)),
        "works_duplicate_code": (
            "note",
            2,
            ("works 9602: rows 3 and 5", "works 10197: rows 3 and 6"),
        ),
        "works_conflicting_permits": ("warning", 1, ("works 10197: rows 3 and 6",)),
    }


def test_lookup_may_be_a_csv_file(tmp_path: Path, connection: Connection) -> None:
    (tmp_path / "rates_lookup.csv").write_text(
        '\ufeffNN_Catchment,Occ_Rate,Water_Usage_L_Day\n"Mere, Upper",2.4,120\n\nFen, 2 ,110\n',
        encoding="utf-8",
    )

    load(connection, tmp_path)

    assert connection.execute(
        "SELECT nn_catchment, occupancy_rate, water_usage_l_person_day"
        " FROM reference.rates_lookup ORDER BY id"
    ).fetchall() == [("Mere, Upper", 2.4, 120.0), ("Fen", 2.0, 110.0)]


def test_ragged_csv_is_refused(tmp_path: Path, connection: Connection) -> None:
    (tmp_path / "rates_lookup.csv").write_text(
        "NN_Catchment,Occ_Rate,Water_Usage_L_Day\nMere, Upper,2.4,120\n", encoding="utf-8"
    )

    with pytest.raises(ReferenceDataError) as raised:
        load(connection, tmp_path)

    assert raised.value.code == "reference_source_unreadable"
    assert "line 2 has 4 fields" in raised.value.detail


def test_catchment_without_rates_refuses_the_load_and_is_named(
    tmp_path: Path, connection: Connection
) -> None:
    write_catchments(tmp_path, [catchment(1, "Testmere SAC"), catchment(2, "Forgotten Fen")])
    write_rates(tmp_path, [("Testmere SAC", 2.4, 120)])

    finding = refusal(connection, tmp_path)

    assert (finding.code, finding.samples) == ("rates_missing", ("Forgotten Fen",))


def test_rates_have_to_fit_the_active_catchments_too(
    tmp_path: Path, connection: Connection
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    write_catchments(first, [catchment(1, "Testmere SAC")])
    write_rates(second, [("Otherfen", 2.4, 120)])
    load(connection, first)

    assert refusal(connection, second).code == "rates_missing"


def test_a_refused_layer_is_not_compared_with_others(
    tmp_path: Path, connection: Connection
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    write_catchments(first, [catchment(1, "Fen")])
    write_rates(first, [("Fen", 2.4, 120)])
    load(connection, first)
    write_catchments(second, [catchment(1, "Mere", geometry=bow_tie())])
    write_rates(second, [("Mere", 2.4, 120)])

    assert refusal(connection, second).code == "geometry_invalid"


def test_works_that_the_lookup_or_the_subcatchments_lack_are_warnings(
    tmp_path: Path, connection: Connection
) -> None:
    write_features(
        tmp_path / "wwtw_catchments.gpkg",
        [Feature(square(), {"WwTw_ID": code, "WwTW": "Works"}) for code in (1001, 1002)],
        {"WwTw_ID": "int", "WwTW": "str"},
    )
    write_features(
        tmp_path / "subcatchments.gpkg",
        [Feature(square(), {"OPCAT_NAME": "Lark"})],
        {"OPCAT_NAME": "str"},
    )
    write_works(
        tmp_path,
        [("Lark", "West", "1001", 1, 1, 1, 1), ("Wissey", "East", "1003", 1, 1, 1, 1)],
    )

    report = load(connection, tmp_path)

    assert {(one.code, one.samples) for one in report.warnings} == {
        ("works_missing", ("1002",)),
        ("subcatchment_missing", ("Wissey",)),
    }


@pytest.mark.parametrize(
    ("features", "code", "place"),
    [
        ([catchment(1), catchment(2, geometry=bow_tie())], "geometry_invalid", "feature 2"),
        (
            [catchment(1, geometry=shapely.LineString([(6e5, 3e5), (6.1e5, 3e5)]))],
            "geometry_not_polygonal",
            "feature 1",
        ),
        ([catchment(1, geometry=shapely.MultiPolygon())], "geometry_empty", "feature 1"),
        ([catchment(1, geometry=square(6e5, 1.4e6))], "geometry_outside", "feature 1"),
        ([catchment(3), catchment(4), catchment(3)], "key_repeated", "3: 2 rows"),
        ([catchment(1, None), catchment(2, "  ")], "value_missing", "row 1"),
        (
            [Feature(None, {"OID": 1, "N2K_Site_N": "Testmere"}), catchment(2)],
            "geometry_missing",
            "feature 1",
        ),
        ([], "empty", None),
    ],
)
def test_faulty_features_refuse_the_load(
    tmp_path: Path, connection: Connection, features: list[Feature], code: str, place: str | None
) -> None:
    write_catchments(tmp_path, features)

    finding = refusal(connection, tmp_path)

    assert (finding.layer, finding.code) == ("nn_catchments", code)
    if place is not None:
        assert finding.samples[0].startswith(place)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", None])
@pytest.mark.parametrize("suffix", [".gpkg", ".shp"])
def test_other_or_no_crs_refuses_the_load(
    tmp_path: Path, connection: Connection, crs: str | None, suffix: str
) -> None:
    write_catchments(tmp_path, [catchment(1)], suffix=suffix, crs=crs)

    assert refusal(connection, tmp_path).code == "crs_wrong"


def test_missing_column_refuses_the_load_and_names_it(
    tmp_path: Path, connection: Connection
) -> None:
    write_features(tmp_path / "nn_catchments.gpkg", [Feature(square(), {"OID": 1})], {"OID": "int"})

    finding = refusal(connection, tmp_path)

    assert finding.code == "columns_missing"
    assert "n2k_site_name" in finding.sentence


@pytest.mark.parametrize("colour", ["Blue", "red"])
def test_unknown_risk_zone_refuses_the_load(
    tmp_path: Path, connection: Connection, colour: str
) -> None:
    write_features(
        tmp_path / "gcn_risk_zones.gpkg", [Feature(square(), {"RZ": colour})], {"RZ": "str"}
    )

    finding = refusal(connection, tmp_path)

    assert (finding.code, finding.samples) == ("value_out_of_range", (f"row 1: '{colour}'",))


def write_cells(directory: Path, **coefficients: float) -> None:
    names = ("lu_curr_n_coeff", "lu_curr_p_coeff", "n_resi_coeff", "p_resi_coeff")
    texts = ("crome_id", "land_use_cat", "nn_catchment", "subcatchment")
    values: dict[str, str | float | None] = {**dict.fromkeys(names, 1.5), **dict.fromkeys(texts)}
    write_features(
        directory / "coefficient_layer.gpkg",
        [Feature(square(), values | coefficients)],
        dict.fromkeys(names, "float") | dict.fromkeys(texts, "str"),
    )


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("lu_curr_n_coeff", -0.1),
        ("lu_curr_n_coeff", 50.01),
        ("n_resi_coeff", 50.01),
        ("lu_curr_p_coeff", -0.1),
        ("lu_curr_p_coeff", 5.01),
        ("p_resi_coeff", 5.01),
    ],
)
def test_coefficient_that_no_land_emits_refuses_the_load(
    tmp_path: Path, connection: Connection, column: str, value: float
) -> None:
    write_cells(tmp_path, **{column: value})

    finding = refusal(connection, tmp_path)

    assert (finding.code, finding.samples) == ("value_out_of_range", (f"row 1: {value}",))
    assert column in finding.sentence


def test_highest_coefficients_are_accepted(tmp_path: Path, connection: Connection) -> None:
    write_cells(tmp_path, lu_curr_n_coeff=50, n_resi_coeff=50, lu_curr_p_coeff=5, p_resi_coeff=0)

    assert load(connection, tmp_path).layers[0].row_count == 1


@pytest.mark.parametrize(("rows", "accepted"), [(9, True), (8, False)])
def test_a_layer_may_lose_a_tenth_of_its_rows_and_no_more(
    tmp_path: Path, connection: Connection, rows: int, accepted: bool
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    write_rates(first, [(f"Fen {number}", 2.4, 120) for number in range(10)])
    write_rates(second, [(f"Fen {number}", 2.4, 120) for number in range(rows)])
    load(connection, first)

    if accepted:
        assert load(connection, second).layers[0].row_count == rows
    else:
        finding = refusal(connection, second)
        assert finding.code == "row_count_low"
        assert "8 rows are less than 90% of the 10 rows" in finding.sentence
        assert active_versions(connection).of("rates_lookup") == 1


def test_a_forced_load_ignores_what_may_be_forced_and_records_why(
    tmp_path: Path, connection: Connection
) -> None:
    write_rates(tmp_path, [("Testmere SAC", 40, 120)])
    assert refusal(connection, tmp_path).forceable

    report = load_directory(
        connection, tmp_path, label="test", loaded_by="tester", forced_because="a hotel, checked"
    )

    assert codes(report.overridden) == {"value_out_of_range"}
    assert active_versions(connection).of("rates_lookup") == 1
    (entry,) = history(connection, limit=10)
    assert (entry.action, entry.reason, entry.made_by) == ("forced", "a hotel, checked", "tester")


@pytest.mark.parametrize(
    "write",
    [
        lambda directory: write_catchments(directory, [catchment(1)], crs="EPSG:4326"),
        lambda directory: write_catchments(directory, [catchment(1, geometry=bow_tie())]),
        lambda directory: write_catchments(directory, [catchment(1), catchment(1)]),
        lambda directory: write_catchments(directory, [catchment(None)]),
        lambda directory: write_catchments(directory, []),
        lambda directory: write_table(directory / "rates.sqlite", "rates_lookup", ["x"], [[1]]),
        lambda directory: write_features(
            directory / "gcn_risk_zones.gpkg", [Feature(square(), {"RZ": "Blue"})], {"RZ": "str"}
        ),
    ],
    ids=["crs", "invalid", "key", "missing", "empty", "columns", "zone"],
)
def test_what_makes_a_version_unusable_cannot_be_forced(
    tmp_path: Path, connection: Connection, write: Callable[[Path], Path]
) -> None:
    write(tmp_path)

    with pytest.raises(ReferenceChecksFailed):
        load_directory(
            connection, tmp_path, label="test", loaded_by="tester", forced_because="no matter what"
        )

    assert list_versions(connection) == []


def test_source_that_is_no_database_is_named(tmp_path: Path, connection: Connection) -> None:
    (tmp_path / "nn_catchments.gpkg").write_bytes(b"not a database at all, but long enough" * 50)

    with pytest.raises(ReferenceDataError) as raised:
        load(connection, tmp_path)

    assert raised.value.code == "reference_source_unreadable"
    assert "nn_catchments.gpkg" in raised.value.sentence


def test_geometry_that_postgis_cannot_read_refuses_the_load(
    tmp_path: Path, connection: Connection
) -> None:
    path = write_catchments(tmp_path, [catchment(1)])
    write_rates(tmp_path, [("Testmere SAC", 2.4, 120)])
    with sqlite3.connect(path) as database:
        for (trigger,) in database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            database.execute(f'DROP TRIGGER "{trigger}"')
        database.execute("UPDATE nn_catchments SET geom = substr(geom, 1, 60)")

    assert refusal(connection, tmp_path).code == "geometry_unreadable"


def test_one_faulty_layer_keeps_every_layer_as_it_was(
    tmp_path: Path, connection: Connection
) -> None:
    write_rates(tmp_path, [("Testmere SAC", 2.4, 120)])
    load(connection, tmp_path)
    write_catchments(tmp_path, [catchment(1, geometry=bow_tie())])

    with pytest.raises(ReferenceChecksFailed):
        load(connection, tmp_path)

    versions = list_versions(connection)
    assert [(one.layer, one.version, one.is_active) for one in versions] == [
        ("rates_lookup", 1, True)
    ]
    assert tables(connection) == {"rates_lookup_v1"}


def test_every_error_is_reported_at_once(tmp_path: Path, connection: Connection) -> None:
    write_catchments(tmp_path, [catchment(1, geometry=bow_tie())])
    write_rates(tmp_path, [("Testmere SAC", 0, 120), ("Testmere SAC", 2.4, "x")])

    with pytest.raises(ReferenceChecksFailed) as raised:
        load(connection, tmp_path)

    errors = {(one.layer, one.code) for one in raised.value.findings if one.severity == "error"}
    assert errors == {
        ("nn_catchments", "geometry_invalid"),
        ("rates_lookup", "value_out_of_range"),
        ("rates_lookup", "value_missing"),
    }
    assert "nn_catchments: 1 geometries are not valid polygons" in raised.value.detail


def test_second_load_at_the_same_time_is_refused(tmp_path: Path, database_url: str) -> None:
    write_rates(tmp_path, [("Testmere SAC", 2.4, 120)])
    reached, resume = threading.Event(), threading.Event()

    class Paused(Silent):
        def started(self, subject: str, total: int) -> None:
            reached.set()
            assert resume.wait(30)

    def first_load() -> None:
        with psycopg.connect(database_url) as connection:
            load_directory(
                connection, tmp_path, label="first", loaded_by="tester", progress=Paused()
            )

    first = threading.Thread(target=first_load)
    first.start()
    try:
        assert reached.wait(30)
        with psycopg.connect(database_url) as connection:
            with pytest.raises(TransientError) as raised:
                load(connection, tmp_path)
            assert raised.value.code == "reference_load_running"
            (only,) = list_versions(connection)
            assert (only.label, only.status) == ("first", "loading")
    finally:
        resume.set()
        first.join(30)
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert [one.is_active for one in list_versions(connection)] == [True]
        assert load(connection, tmp_path).layers[0].version == 2


def test_readers_are_not_blocked_by_the_switch(
    tmp_path: Path, connection: Connection, database_url: str
) -> None:
    write_rates(tmp_path, [("Testmere SAC", 2.4, 120)])
    load(connection, tmp_path)
    with psycopg.connect(database_url) as job:
        before = job.execute("SELECT count(*) FROM reference.rates_lookup WHERE version = 1")
        assert before.fetchone() == (1,)

        load(connection, tmp_path)

        after = job.execute("SELECT count(*) FROM reference.rates_lookup WHERE version = 1")
        assert after.fetchone() == (1,)


def test_record_of_a_version_holds_its_source_and_findings(
    tmp_path: Path, connection: Connection
) -> None:
    write_works(tmp_path, [("Lark", "West", "4620?", "1", 1, "1", "1")])

    report = load(connection, tmp_path)

    (stored,) = connection.execute(
        "SELECT source_name, source_sha256, row_count, loaded_by, label, report"
        " FROM reference.layer_versions"
    ).fetchall()
    assert stored[:5] == (
        "lookups.sqlite:WwTw_lookup",
        report.layers[0].source_sha256,
        1,
        "tester",
        "test",
    )
    assert [one["code"] for one in stored[5]["findings"]] == ["works_doubtful_code"]


def tables(connection: Connection) -> set[str]:
    """Tables of versions, attached or not."""
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'reference'::regnamespace"
        " AND relkind = 'r' AND relname ~ '_v[0-9]+$'"
    ).fetchall()
    return {row[0] for row in rows}
