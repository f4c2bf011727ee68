"""An export that is stopped, killed or met by another leaves nothing half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.aws_proxy import AwsProxy, Call, Fault
from tests.fakes.environment import Environment
from tests.fakes.exports import ExportWorld, scheduled
from tests.fakes.worker_process import PATIENCE_S


@pytest.fixture
def world(environment: Environment) -> ExportWorld:
    world = ExportWorld(environment.database_url, environment.aws, environment.bucket)
    world.one_table_each()
    return world


class Held:
    """The first call that brings an archive's part waits until it is let go."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, call: Call) -> Fault | None:
        if "partNumber" in call.query and not self.reached.is_set():
            self.reached.set()
            self.go_on.wait(PATIENCE_S)
        return None


@contextmanager
def held_upload(environment: Environment) -> Iterator[tuple[Held, dict[str, str]]]:
    """The variables of a worker whose first part is held, and what lets it go."""
    held = Held()
    with AwsProxy(environment.aws, held) as proxy:
        variables = {
            "S3_OUTPUT_BUCKET": environment.bucket,
            "WATER_EXPORT_SCHEMAS": "water,returns,permit",
            **proxy.variables(environment.queue),
        }
        try:
            yield held, variables
        finally:
            held.go_on.set()


def test_a_stop_leaves_no_manifest_no_parts_and_the_message(
    environment: Environment, world: ExportWorld, tmp_path: Path
) -> None:
    """X18."""
    environment.send(scheduled())
    with (
        held_upload(environment) as (held, variables),
        environment.worker(
            **variables, TMPDIR=str(tmp_path), WORKER_GRACEFUL_SHUTDOWN_TIMEOUT="3"
        ) as worker,
    ):
        assert held.reached.wait(PATIENCE_S), worker.log()
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
        assert worker.events("message.released", delay_s=0)

    # On a machine that is too busy for the abort, the next export does it.
    assert world.unfinished_uploads() == [] or worker.events("upload.not_aborted")
    assert world.keys() == []
    assert list(tmp_path.glob("nrf-export-*")) == []
    assert environment.messages() == 1
    assert environment.value("SELECT status || ' ' || attempts FROM jobs.job") == "PENDING 0"
    assert worker.events("run.failed") == []


def test_what_a_killed_export_leaves_is_removed_by_the_next_attempt(
    environment: Environment, world: ExportWorld, tmp_path: Path
) -> None:
    """X16."""
    environment.send(scheduled())
    short = {"WORKER_LEASE_SECONDS": "2", "SQS_VISIBILITY_TIMEOUT": "7", "TMPDIR": str(tmp_path)}
    with held_upload(environment) as (held, variables):
        with environment.worker(**variables, **short) as killed:
            assert held.reached.wait(PATIENCE_S), killed.log()
            killed.signal(signal.SIGKILL)
            killed.wait()
        assert world.unfinished_uploads() == ["export/water.tgz"]
        assert len(list(tmp_path.glob("nrf-export-*"))) == 1
        held.go_on.set()
        with environment.worker(**variables, **short) as worker:
            worker.wait_for("message.deleted")

    assert worker.events("upload.leftover_removed", key="export/water.tgz")
    assert world.unfinished_uploads() == []
    assert list(tmp_path.glob("nrf-export-*")) == []
    assert world.manifest().status == "complete"
    assert world.members("water")["water/things.csv"] == b'"id"\n1\n'


def test_of_two_exports_at_the_same_time_one_works_and_the_other_comes_back_later(
    environment: Environment, world: ExportWorld
) -> None:
    """X15."""
    with (
        held_upload(environment) as (held, variables),
        environment.worker(**variables) as first,
        environment.worker(**variables) as second,
    ):
        environment.send(scheduled("2026-11-26T08:15:00Z"))
        environment.send(scheduled("2026-11-26T08:16:00Z"))
        both = (first, second)
        retried = first.wait_until(
            lambda: next((one for w in both for one in w.events("job.retried")), None), "retry"
        )
        assert world.keys() == []
        held.go_on.set()
        first.wait_until(
            lambda: any(worker.events("message.deleted") for worker in both), "finished run"
        )

    released = [one for worker in both for one in worker.events("message.released")]
    assert retried["error_code"] == "job_already_running"
    failed = [one for worker in both for one in worker.events("run.failed")]
    assert [one["error_code"] for one in failed] == ["job_already_running"]
    assert [one["delay_s"] for one in released] == [1800]
    assert world.manifest().status == "complete"
    assert world.members("permit") == {"permit/things.csv": b'"id"\n1\n'}
    assert environment.messages() == 1
