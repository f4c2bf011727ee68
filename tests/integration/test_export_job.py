"""What a message may ask of an export, and what it is told where none is possible."""

from __future__ import annotations

from datetime import date

import psycopg
import pytest

from tests.fakes.aws_proxy import AwsProxy, Call, Fault
from tests.fakes.exports import MANIFEST_KEY, ExportWorld, scheduled
from worker.clients.domains import DomainDatabase
from worker.clients.s3_upload import OutputStore
from worker.demo.aws import AwsEmulator
from worker.errors import MessageError, PermanentError, TransientError
from worker.jobs.context import Interruption, JobContext
from worker.jobs.payloads import validated
from worker.jobs.water_export import (
    Tools,
    WaterExportRequest,
    WaterExportResult,
    perform,
    preview_export,
)
from worker.reference.versions import ReferenceVersions
from worker.settings import AwsSettings, ExportSettings

CONTEXT = JobContext("key", ReferenceVersions({}), Interruption())
SETTINGS = ExportSettings(water_export_schemas=("water", "returns", "permit"))


@pytest.fixture
def world(empty_database_url: str, aws: AwsEmulator, bucket: str) -> ExportWorld:
    world = ExportWorld(empty_database_url, aws, bucket)
    world.one_table_each()
    return world


def database(url: str) -> DomainDatabase:
    return DomainDatabase("water", lambda: url)


def request(**fields: object) -> WaterExportRequest:
    return validated(WaterExportRequest, scheduled() | fields)


def run(
    world: ExportWorld, *, endpoint_url: str | None = None, **fields: object
) -> WaterExportResult:
    endpoint_url = endpoint_url or world.aws.endpoint_url
    store = OutputStore(AwsSettings(s3_output_bucket=world.bucket, aws_endpoint_url=endpoint_url))
    tools = Tools(SETTINGS, database(world.database_url), store)
    return perform(tools, request(**fields), CONTEXT)


def test_the_message_may_ask_for_some_schemas_in_its_order(world: ExportWorld) -> None:
    result = run(world, schemas=["permit", "water"])

    assert [archive.key for archive in result.archives] == [
        "export/permit.tgz",
        "export/water.tgz",
    ]
    assert world.keys() == [MANIFEST_KEY, "export/permit.tgz", "export/water.tgz"]
    assert result.manifest_key == MANIFEST_KEY
    assert result.counts()["archives"] == result.counts()["tables"] == 2


def test_the_run_has_the_same_id_at_every_attempt(world: ExportWorld) -> None:
    first, second = run(world, schemas=["water"]), run(world, schemas=["water"])
    assert first.run_id == second.run_id == world.manifest().run_id


@pytest.mark.parametrize("schemas", [["public"], ["water", "pg_catalog"], ['water"; DROP']])
def test_a_schema_that_is_not_configured_is_never_read(
    world: ExportWorld, schemas: list[str]
) -> None:
    with pytest.raises(PermanentError) as raised:
        run(world, schemas=schemas)
    assert raised.value.code == "export_schema_not_allowed"
    assert world.keys() == []


@pytest.mark.parametrize("schemas", [[], ["water", "water"], "water", [1]])
def test_a_list_of_schemas_that_says_nothing_or_contradicts_itself_is_refused(
    schemas: object,
) -> None:
    with pytest.raises(MessageError) as raised:
        request(schemas=schemas)
    assert raised.value.code == "payload_invalid"


def test_without_a_bucket_nothing_is_read(world: ExportWorld) -> None:
    tools = Tools(SETTINGS, database("postgresql://127.0.0.1:1/none"), None)
    with pytest.raises(PermanentError) as raised:
        perform(tools, request(), CONTEXT)
    assert raised.value.code == "export_bucket_missing"


def test_while_an_export_runs_no_other_begins(world: ExportWorld) -> None:
    with (
        database(world.database_url).single_flight("water.export"),
        pytest.raises(TransientError) as raised,
    ):
        run(world)
    assert raised.value.code == "job_already_running"
    assert world.keys() == []


def test_an_export_whose_lock_is_lost_publishes_nothing_more(world: ExportWorld) -> None:
    parts: list[str] = []

    def end_the_lock(call: Call) -> Fault | None:
        if "partNumber" in call.query:
            parts.append(call.path)
            world.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks"
                " WHERE locktype = 'advisory' AND granted"
            )
        return None

    with (
        AwsProxy(world.aws, end_the_lock) as proxy,
        pytest.raises(TransientError) as raised,
    ):
        run(world, endpoint_url=proxy.url)
    assert raised.value.code == "water_database_unavailable"
    assert parts == [f"/{world.bucket}/export/water.tgz"]
    # The archive was on its way; without a manifest it is not part of any set.
    assert world.keys() == ["export/water.tgz"]
    assert world.unfinished_uploads() == []


def test_the_preview_tells_what_each_run_would_replace_and_what_would_fail(
    world: ExportWorld,
) -> None:
    world.execute(
        "DROP TABLE permit.things",
        "CREATE VIEW permit.view AS SELECT 1",
        "CREATE TABLE water.by_year (year int) PARTITION BY RANGE (year)",
        "CREATE TABLE water.old PARTITION OF water.by_year FOR VALUES FROM (0) TO (2000)",
        "DROP ROLE IF EXISTS previewer",
        "CREATE ROLE previewer",
        "GRANT USAGE ON SCHEMA water, returns TO previewer",
        "GRANT SELECT ON ALL TABLES IN SCHEMA water TO previewer",
    )
    days = (date(2026, 6, 15), date(2026, 6, 16))

    with psycopg.connect(world.database_url, options="-c role=previewer") as connection:
        previewed = tuple(preview_export(SETTINGS, connection, days))

    assert [day.run_date for day in previewed] == list(days)
    assert previewed[0].lines == previewed[1].lines
    water, returns, permit = previewed[0].lines
    assert (water.subject, water.action) == ("export/water.tgz", "replace")
    assert water.reason.startswith("2 tables, ")
    assert (returns.action, permit.action) == ("nothing", "nothing")
    assert "may not read things" in returns.reason
    assert "no table" in permit.reason
