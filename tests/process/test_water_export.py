"""The real worker exports the licensing tables, and says what it could not export."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.fakes.aws_proxy import AwsProxy, Call, Fault, Refusal
from tests.fakes.environment import FAILED, Environment
from tests.fakes.exports import ALL_SCHEMAS, MANIFEST_KEY, ExportWorld, scheduled


@pytest.fixture
def world(environment: Environment) -> ExportWorld:
    world = ExportWorld(environment.database_url, environment.aws, environment.bucket)
    world.one_table_each(ALL_SCHEMAS)
    return world


def test_a_message_exports_every_schema_and_the_manifest_comes_last(
    environment: Environment, world: ExportWorld, tmp_path: Path
) -> None:
    """X17, and X5: a zone of the process changes no date."""
    world.execute("ALTER TABLE water.things ADD made date DEFAULT '2024-02-29'")
    run_id = "0f8fad5b-d9cb-469f-a165-70867728950e"
    environment.send(scheduled(runId=run_id), correlation_id="trace-export")

    with (
        AwsProxy(environment.aws) as proxy,
        environment.worker(
            S3_OUTPUT_BUCKET=environment.bucket,
            TZ="America/New_York",
            PGTZ="America/New_York",
            TMPDIR=str(tmp_path),
            **proxy.variables(environment.queue),
        ) as worker,
    ):
        worker.wait_for("message.deleted")

    manifest = world.manifest()
    assert (manifest.status, str(manifest.run_id)) == ("complete", run_id)
    written = [
        call.path.partition("/export/")[2]
        for call in proxy.calls
        if call.method == "POST" and call.query.startswith("uploadId=")
    ]
    written += [call.path for call in proxy.calls if call.path.endswith(MANIFEST_KEY)]
    assert written == [
        *(f"{schema}.tgz" for schema in ALL_SCHEMAS),
        f"/{environment.bucket}/{MANIFEST_KEY}",
    ]
    assert _position(proxy, MANIFEST_KEY) == len([c for c in proxy.calls if c.is_s3]) - 1
    assert world.rows("water", "things") == [["1", str(date(2024, 2, 29))]]
    completed = worker.wait_for("run.completed")
    assert completed["summary"] == "DB export complete"
    assert (completed["archives"], completed["tables"], completed["rows"]) == (6, 6, 6)
    assert completed["correlation_id"] == "trace-export"
    result = environment.value("SELECT payload FROM jobs.result")
    assert isinstance(result, dict)
    assert result["manifestKey"] == MANIFEST_KEY
    assert [archive["sha256"] for archive in result["archives"]] == [
        entry.sha256 for entry in manifest.schemas
    ]
    assert environment.messages() == 0
    assert list(tmp_path.glob("nrf-export-*")) == []


def _position(proxy: AwsProxy, key: str) -> int:
    """Place of the only call for ``key`` among the calls to S3."""
    calls = [call for call in proxy.calls if call.is_s3]
    (place,) = [place for place, call in enumerate(calls) if call.path.endswith(key)]
    return place


def test_a_failed_part_leaves_the_old_archive_and_the_next_attempt_replaces_it(
    environment: Environment, world: ExportWorld
) -> None:
    # Two parts, whatever is done to compress them.
    world.execute(
        "CREATE TABLE returns.large AS SELECT encode(sha256(n::text::bytea), 'hex') AS a,"
        " gen_random_uuid() AS b, gen_random_uuid() AS c FROM generate_series(1, 100000) AS n"
    )
    world.s3.put_object(Bucket=world.bucket, Key="export/returns.tgz", Body=b"old")
    environment.send(scheduled())
    broken = True

    def second_part(call: Call) -> Fault | None:
        is_it = call.path.endswith("returns.tgz") and "partNumber=2" in call.query
        return Refusal(500, "InternalError") if broken and is_it else None

    with (
        AwsProxy(environment.aws, second_part) as proxy,
        environment.worker(
            S3_OUTPUT_BUCKET=environment.bucket,
            S3_UPLOAD_PART_BYTES=str(5 * 1024**2),
            WORKER_BACKOFF_BASE_SECONDS="2",
            **proxy.variables(environment.queue),
        ) as worker,
    ):
        retried = worker.wait_for("job.retried")
        partial = world.manifest()
        left = world.unfinished_uploads()
        archive = world.read("export/returns.tgz")
        broken = False
        worker.wait_for("message.deleted")

    assert retried["error_code"] == "export_incomplete"
    failed = worker.wait_for("export.schema_failed")
    assert failed["summary"] == "Error: Failed to export schema returns"
    assert failed["error_code"] == "s3_unavailable"
    assert (partial.status, partial.failed) == ("partial", ("returns",))
    assert (left, archive) == ([], b"old")
    assert worker.wait_for("run.failed")["summary"] == "DB export incomplete"
    assert world.manifest().status == "complete"
    assert len(world.rows("returns", "large")) == 100_000
    assert world.unfinished_uploads() == []


def test_a_bucket_that_is_closed_to_us_fails_the_export_and_stops_nothing_else(
    environment: Environment, world: ExportWorld
) -> None:
    environment.send(scheduled())
    with environment.worker(S3_OUTPUT_BUCKET="no-such-bucket") as worker:
        worker.wait_until(lambda: environment.dead_letters() == 1, "dead letter")

    assert worker.wait_for("job.failed")["error_code"] == "s3_access_denied"
    assert worker.events("polling.paused") == []
    assert [email.template_id for email in environment.notify.sent] == [FAILED]
    assert world.keys() == []
