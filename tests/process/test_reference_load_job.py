"""The real worker loads reference data that a message asks for, once, and disturbs nobody."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.fakes.environment import COMPLETED, FAILED, Environment
from tests.fakes.reference_manifest import put_data_set
from tests.fakes.submissions import put_site, request
from tests.fakes.worker_process import is_stopped
from worker.reference.generate import generate
from worker.reference.versions import active_versions

LAYERS = ("coefficient_layer", "nn_catchments", "rates_lookup")


@pytest.fixture(scope="module")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """New data for three of the loaded layers."""
    directory = tmp_path_factory.mktemp("layers")
    files = {file.path.stem: file.path for file in generate(directory, seed=7, cells=2_000)}
    return {
        "coefficient_layer": files["coefficient_layer"],
        "nn_catchments": files["nn_catchments"],
        "rates_lookup": files["lookups"],
    }


def message(job_id: str = "load-1", **changes: object) -> dict[str, object]:
    return {
        "jobType": "reference.load",
        "jobId": job_id,
        "manifest_key": "2026-11/manifest.json",
        **changes,
    }


def active(environment: Environment) -> dict[str, int]:
    """Active versions of the layers of ``data_set``."""
    with psycopg.connect(environment.database_url) as connection:
        versions = active_versions(connection)
    return {layer: versions.of(layer) for layer in LAYERS}


@contextmanager
def locked(environment: Environment, table: str) -> Iterator[ExitStack]:
    """Whoever needs ``table`` waits until the block ends or what it yields is closed."""
    with ExitStack() as lock:
        connection = lock.enter_context(psycopg.connect(environment.database_url))
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield lock


def test_a_message_loads_a_data_set_and_its_result_says_what(
    environment: Environment, data_set: dict[str, Path]
) -> None:
    put_data_set(environment.aws, environment.bucket, data_set)
    environment.send(message(), correlation_id="trace-load")

    with environment.worker() as worker:
        worker.wait_for("message.deleted")

    assert active(environment) == dict.fromkeys(LAYERS, 2)
    result = environment.value("SELECT payload FROM jobs.result")
    assert isinstance(result, dict)
    assert (result["data_version"], result["already_active"]) == ("2026-11", False)
    assert result["versions"] == dict.fromkeys(LAYERS, 2)
    assert {layer["layer"] for layer in result["report"]["layers"]} == set(LAYERS)
    assert environment.value("SELECT made_by FROM reference.switches WHERE id = 2") == "job load-1"
    steps = {line["step"] for line in worker.events("reference.progress")}
    assert {"read", "sort", "index", "check", "subdivide", "done"} <= steps
    assert {line["correlation_id"] for line in worker.events("reference.loaded")} == {"trace-load"}
    assert environment.messages() == 0
    assert environment.notify.sent == []
    assert environment.backend.received == []


def test_the_same_message_or_the_same_data_again_loads_nothing(
    environment: Environment, data_set: dict[str, Path]
) -> None:
    put_data_set(environment.aws, environment.bucket, data_set)
    environment.send(message())
    with environment.worker() as worker:
        worker.wait_for("message.deleted")
        environment.send(message())
        worker.wait_for("job.duplicate")
        environment.send(message("load-2"))
        worker.wait_until(lambda: len(worker.events("message.deleted")) == 3, "third delete")

    assert active(environment) == dict.fromkeys(LAYERS, 2)
    assert len(worker.events("reference.loaded")) == len(LAYERS)
    repeated = environment.value(
        "SELECT result.payload FROM jobs.result JOIN jobs.job ON job.id = job_id"
        " WHERE key = 'load-2'"
    )
    assert isinstance(repeated, dict)
    assert repeated["already_active"] is True
    assert repeated["versions"] == dict.fromkeys(LAYERS, 2)


def test_faulty_data_changes_nothing_and_support_is_told(
    environment: Environment, data_set: dict[str, Path], tmp_path: Path
) -> None:
    few = tmp_path / "few"
    generate(few, seed=7, cells=500)
    put_data_set(
        environment.aws,
        environment.bucket,
        {**data_set, "coefficient_layer": few / "coefficient_layer.gpkg"},
    )
    environment.send(message())

    with environment.worker() as worker:
        worker.wait_until(lambda: environment.dead_letters() == 1, "dead letter")

    assert active(environment) == dict.fromkeys(LAYERS, 1)
    failed = worker.wait_for("job.failed")
    assert failed["error_code"] == "reference_checks_failed"
    assert "rows of the active version" in str(failed["error_detail"])
    (email,) = environment.notify.sent
    assert (email.to, email.template_id) == ("support@example.gov.uk", FAILED)
    assert "reference_checks_failed" in str(email.personalisation["error_message"])
    assert environment.value("SELECT count(*) FROM reference.layer_versions WHERE version > 1") == 0


def test_a_bucket_that_is_closed_to_us_fails_the_load_and_stops_nothing_else(
    environment: Environment,
) -> None:
    put_site(environment)
    environment.send(message())

    with environment.worker(S3_REFERENCE_BUCKET="no-such-bucket") as worker:
        worker.wait_until(lambda: environment.dead_letters() == 1, "dead letter")
        environment.send(request())
        worker.wait_for("message.deleted")

    assert worker.wait_for("job.failed")["error_code"] == "s3_access_denied"
    assert worker.events("polling.paused") == []
    assert [email.template_id for email in environment.notify.sent] == [FAILED, COMPLETED]


def test_a_reason_in_the_message_forces_what_may_be_forced(
    environment: Environment, data_set: dict[str, Path], tmp_path: Path
) -> None:
    generate(tmp_path, seed=7, cells=500)
    few = {**data_set, "coefficient_layer": tmp_path / "coefficient_layer.gpkg"}
    put_data_set(environment.aws, environment.bucket, few)
    environment.send(message(force_reason="only a part of the country"))

    with environment.worker() as worker:
        worker.wait_for("message.deleted")

    assert active(environment) == dict.fromkeys(LAYERS, 2)
    switched = environment.value(
        "SELECT action || ': ' || reason FROM reference.switches WHERE id = 2"
    )
    assert switched == "forced: only a part of the country"


def test_a_load_during_an_assessment_changes_nothing_for_it(
    environment: Environment, data_set: dict[str, Path]
) -> None:
    put_site(environment)
    put_data_set(environment.aws, environment.bucket, data_set)
    environment.send(request())
    # Paused rather than kept waiting by a lock, which PostgreSQL would end before a slow load does.
    with environment.faulty_worker("stop-at", "claimed") as assessing:
        assessing.wait_until(lambda: is_stopped(assessing.pid), "claim")
        with environment.worker() as loading:
            environment.send(message())
            loading.wait_for("message.deleted")
        assert active(environment) == dict.fromkeys(LAYERS, 2)
        assessing.signal(signal.SIGCONT)
        assessing.wait_for("message.deleted")

    result = environment.value(
        "SELECT result.payload -> 'reference_versions' FROM jobs.result"
        " JOIN jobs.job ON job.id = job_id WHERE key = 'job-1'"
    )
    assert isinstance(result, dict)
    assert {layer: result[layer]["version"] for layer in LAYERS} == dict.fromkeys(LAYERS, 1)
    pinned = environment.value(
        "SELECT reference_versions FROM jobs.assignment JOIN jobs.job ON job.id = job_id"
        " WHERE key = 'job-1'"
    )
    assert isinstance(pinned, dict)
    assert {layer: pinned[layer] for layer in LAYERS} == dict.fromkeys(LAYERS, 1)


def test_a_killed_load_is_cleaned_up_and_made_by_the_next_attempt(
    environment: Environment, data_set: dict[str, Path]
) -> None:
    put_data_set(environment.aws, environment.bucket, data_set)
    environment.send(message())
    short = {"WORKER_LEASE_SECONDS": "2", "SQS_VISIBILITY_TIMEOUT": "7"}
    # The rates are staged last: the large layers are built, and the load waits to list the rest.
    with (
        locked(environment, "reference.rates_lookup"),
        environment.worker(**short) as killed,
    ):
        killed.wait_for("reference.progress", layer="rates_lookup", step="read")
        killed.signal(signal.SIGKILL)
        killed.wait()
        assert active(environment) == dict.fromkeys(LAYERS, 1)

    with environment.worker(**short) as worker:
        worker.wait_for("message.deleted")

    assert worker.events("reference.abandoned_removed")
    assert active(environment) == dict.fromkeys(LAYERS, 2)
    assert environment.value("SELECT attempts FROM jobs.job") == 2
    assert (
        environment.value("SELECT count(*) FROM reference.layer_versions WHERE status <> 'ready'")
        == 0
    )


def test_a_stop_hands_a_load_back_without_a_trace(
    environment: Environment, data_set: dict[str, Path]
) -> None:
    put_data_set(environment.aws, environment.bucket, data_set)
    environment.send(message())
    with (
        locked(environment, "reference.rates_lookup"),
        environment.worker(WORKER_GRACEFUL_SHUTDOWN_TIMEOUT="3") as worker,
    ):
        worker.wait_for("reference.progress", layer="rates_lookup", step="read")
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
        assert worker.events("message.released", delay_s=0)
    assert environment.value("SELECT status::text FROM jobs.job") == "PENDING"
    assert environment.value("SELECT attempts FROM jobs.job") == 0
    assert active(environment) == dict.fromkeys(LAYERS, 1)
    assert environment.value("SELECT count(*) FROM reference.layer_versions WHERE version > 1") == 0


def test_a_load_that_takes_too_long_is_stopped_by_its_own_limit(
    environment: Environment, data_set: dict[str, Path]
) -> None:
    put_data_set(environment.aws, environment.bucket, data_set)
    environment.send(message())
    with (
        locked(environment, "reference.rates_lookup"),
        environment.worker(WORKER_REFERENCE_LOAD_TIMEOUT_SECONDS="3") as worker,
    ):
        retried = worker.wait_for("job.retried")
        assert retried["error_code"] == "job_timed_out"
        assert (
            environment.value("SELECT count(*) FROM reference.layer_versions WHERE version > 1")
            == 0
        )
    assert active(environment) == dict.fromkeys(LAYERS, 1)


def test_a_second_load_at_the_same_time_comes_back_later(
    environment: Environment, data_set: dict[str, Path]
) -> None:
    put_data_set(environment.aws, environment.bucket, data_set)
    with (
        locked(environment, "reference.rates_lookup") as unlock,
        environment.worker() as first,
        environment.worker() as second,
    ):
        environment.send(message("load-1"))
        environment.send(message("load-2"))
        both = (first, second)
        line = first.wait_until(
            lambda: next((one for w in both for one in w.events("job.retried")), None), "retry"
        )
        assert line["error_code"] == "reference_load_running"
        unlock.close()
        first.wait_until(
            lambda: any(worker.events("job.succeeded") for worker in both), "finished load"
        )
    released = [one for worker in both for one in worker.events("message.released")]
    assert [one["delay_s"] for one in released] == [300]
    assert active(environment) == dict.fromkeys(LAYERS, 2)


def test_a_worker_for_loads_only_polls_without_reference_data(
    environment: Environment, data_set: dict[str, Path]
) -> None:
    with psycopg.connect(environment.database_url) as connection:
        connection.execute("DELETE FROM reference.active_versions")
    put_data_set(environment.aws, environment.bucket, data_set)
    environment.send(message())

    with environment.worker(WORKER_JOB_TYPES="reference.load", S3_INPUT_BUCKET="") as worker:
        worker.wait_for("message.deleted")

    assert active(environment) == dict.fromkeys(LAYERS, 2)
