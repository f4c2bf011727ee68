"""A database is brought to the newest schema, which is the one that the models describe."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Table, create_engine
from sqlalchemy.pool import NullPool

from worker.errors import DependencyDown
from worker.migrations import runner
from worker.reference.layers import LAYERS, ColumnType, Layer
from worker.reference.models import Base

_PYTHON_NAMES = {
    ColumnType.TEXT: "TEXT",
    ColumnType.INTEGER: "INTEGER",
    ColumnType.NUMBER: "DOUBLE",
    ColumnType.DECIMAL: "NUMERIC",
    ColumnType.BOOLEAN: "BOOLEAN",
}


def test_upgrade_brings_an_empty_database_to_the_head(empty_database_url: str) -> None:
    assert runner.current(empty_database_url) is None

    runner.upgrade(empty_database_url)

    assert runner.current(empty_database_url) == runner.head()


def test_second_upgrade_changes_nothing(database_url: str) -> None:
    runner.upgrade(database_url)

    assert runner.current(database_url) == runner.head()


def test_two_upgrades_at_once_both_succeed(empty_database_url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(runner.upgrade, empty_database_url) for _ in range(2)]
        for run in runs:
            run.result()

    assert runner.current(empty_database_url) == runner.head()


def test_quotes_of_a_worker_that_did_not_know_their_order_count_as_earlier(
    database_url: str,
) -> None:
    quote, job_id = f"NRF-000001-{'a' * 64}", "NRF-000001-" + "a" * 53
    insert = (
        "INSERT INTO jobs.job (key, type, payload_hash, correlation_id, max_attempts)"
        " VALUES (%s, 'impact-assessment', 'hash', 'trace', 3)"
    )
    with psycopg.connect(database_url) as connection:
        connection.execute("ALTER TABLE jobs.job DROP COLUMN asked_at, DROP COLUMN subject")
        connection.execute("UPDATE alembic_version SET version_num = '0004'")
        connection.execute(insert.encode(), (quote,))
    runner.upgrade(database_url)

    with psycopg.connect(database_url) as connection:
        # As such a worker does until it is replaced.
        for key in (job_id, quote.replace("a", "b")):
            connection.execute(insert.encode(), (key,))
        rows = connection.execute(
            "SELECT subject, created_at - asked_at = interval '14 days' FROM jobs.job ORDER BY id"
        ).fetchall()

    assert rows == [("NRF-000001", True), (None, True), ("NRF-000001", True)]


def test_unreachable_database_is_a_dependency_that_is_down() -> None:
    with pytest.raises(DependencyDown) as raised:
        runner.current("postgresql://nobody@127.0.0.1:1/none")

    assert raised.value.code == "database_unavailable"


def test_migrated_database_equals_the_models(database_url: str) -> None:
    assert _differences(database_url) == []


@pytest.mark.parametrize(
    "drift",
    [
        "ALTER TABLE reference.nn_catchments ADD COLUMN extra text",
        "ALTER TABLE reference.rates_lookup ALTER occupancy_rate TYPE real",
        "ALTER TABLE reference.gcn_ponds ALTER geom TYPE geometry(Point, 27700)",
        "DROP TABLE reference.edp_edges_parts",
    ],
)
def test_comparison_with_the_models_notices_drift(database_url: str, drift: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(drift)

    assert _differences(database_url)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_layer_descriptions_equal_the_models(layer: Layer) -> None:
    table = Base.metadata.tables[f"reference.{layer.name}"]

    assert _columns(table) == [
        (column.name, _PYTHON_NAMES[column.type], column.required or column.type == "boolean")
        for column in layer.columns
    ]
    assert ("geom" in table.columns) == layer.spatial
    assert (f"reference.{layer.parts}" in Base.metadata.tables) == layer.subdivided


def _columns(table: Table) -> list[tuple[str, str, bool]]:
    loader_fills = {"version", "id", "geom", "source_row"}
    return [
        (column.name, type(column.type).__name__.upper(), not column.nullable)
        for column in table.columns
        if column.name not in loader_fills
    ]


def _differences(database_url: str) -> list[object]:
    url = database_url.replace("postgresql://", "postgresql+psycopg://", 1)
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, _: kind != "schema" or name == "reference",
                "compare_server_default": True,
            },
        )
        return list(compare_metadata(context, Base.metadata))
