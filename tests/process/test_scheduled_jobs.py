"""A schedule that fires twice, late, or not at all; and a worker that dies in a run."""

from __future__ import annotations

import signal
from datetime import date

import psycopg
import pytest

from tests.fakes.commands import command
from tests.fakes.environment import COMPLETED, FAILED, Environment
from tests.fakes.submissions import put_site, request
from worker.demo.water_world import WaterWorld
from worker.migrations import runner

WORKFLOWS = "SELECT count(*) FROM water.charge_version_workflows"


@pytest.fixture
def water(environment: Environment) -> Environment:
    """An environment whose database has the tables of ``water``, with two licences."""
    runner.upgrade_domain("water", environment.database_url)
    with psycopg.connect(environment.database_url) as connection:
        world = WaterWorld(connection)
        world.version(world.licence(licence_ref="01/new"))
        limited = world.licence(licence_ref="02/limited")
        world.version(limited, status="current")
        world.element(world.reference(world.charge_version(limited)), date(2026, 7, 1))
    return environment


def message(day: str = "2026-06-15", **changes: object) -> dict[str, object]:
    """What the schedule of 08:15 in London sends."""
    time = f"{day}T07:15:00Z"
    return {
        "jobType": "water.licence-updates",
        "scheduledTime": time,
        "runDate": time,
        **changes,
    }


def result_of(environment: Environment, day: str) -> object:
    return environment.value(
        "SELECT result.payload FROM jobs.result JOIN jobs.job ON job.id = job_id WHERE key = %s",
        f"water.licence-updates:{day}T07:15:00Z",
    )


def test_a_schedule_that_fires_twice_runs_once(water: Environment) -> None:
    water.send(message(), correlation_id="first")
    with water.worker() as worker:
        worker.wait_for("message.deleted")
        # A run that follows the first would add what is new by then.
        with psycopg.connect(water.database_url) as connection:
            world = WaterWorld(connection)
            world.version(world.licence(licence_ref="03/late"))
        water.send(message(traceId="again"))
        worker.wait_for("job.duplicate")
        worker.wait_until(lambda: len(worker.events("message.deleted")) == 2, "second delete")
        # The same time for another date is a contradiction, which the first run survives.
        water.send(message(runDate="2026-06-14"))
        worker.wait_for("job.payload_mismatch")
        worker.wait_until(lambda: water.dead_letters() == 1, "dead letter")

    assert water.value(WORKFLOWS) == 2
    result = result_of(water, "2026-06-15")
    assert isinstance(result, dict)
    assert (result["runDate"], result["count"]) == ("2026-06-15", 2)
    assert [row["licenceRef"] for row in result["added"]] == ["01/new", "02/limited"]
    (completed,) = worker.events("run.completed")
    assert completed["summary"] == "Licence updates job complete"
    assert (completed["count"], completed["correlation_id"]) == (2, "first")
    assert isinstance(completed["timeTakenMs"], int)
    assert completed["timeTakenSs"] == completed["timeTakenMs"] // 1000


def test_a_day_that_was_missed_is_run_only_when_it_is_asked_for(water: Environment) -> None:
    with water.worker() as worker:
        for day in ("2025-06-15", "2025-06-17"):
            water.send(message(day))
        worker.wait_until(lambda: len(worker.events("run.completed")) == 2, "two runs")
        assert result_of(water, "2025-06-16") is None

        asked = command(
            water, "schedule", "send", "water.licence-updates", "--at", "2025-06-16T07:15:00Z"
        )
        worker.wait_for("run.completed", run_date="2025-06-16")
        worker.wait_until(lambda: water.messages() == 0, "empty queue")

    assert "water.licence-updates:2025-06-16T07:15:00Z" in asked
    late = result_of(water, "2025-06-16")
    assert isinstance(late, dict)
    # The days before it have added everything; the date is that of the day, not of its receipt.
    assert (late["runDate"], late["count"]) == ("2025-06-16", 0)
    assert water.value(WORKFLOWS) == 2


def test_a_worker_that_dies_after_its_rows_are_written_doubles_none(water: Environment) -> None:
    water.send(message())
    with psycopg.connect(water.database_url) as lock:
        # Nobody can store a result while this lasts.
        lock.execute("LOCK TABLE jobs.result IN ACCESS EXCLUSIVE MODE")
        with water.worker(WORKER_LEASE_SECONDS="3", SQS_VISIBILITY_TIMEOUT="8") as dying:
            dying.wait_until(lambda: water.value(WORKFLOWS) == 2, "workflow rows")
            dying.signal(signal.SIGKILL)
            dying.wait()
    with water.worker() as worker:
        worker.wait_for("message.deleted")

    assert worker.wait_for("job.claimed")["attempt"] == 2
    assert water.value(WORKFLOWS) == 2
    assert water.messages() == water.dead_letters() == 0


def test_without_its_tables_a_run_fails_with_a_code_and_assessments_go_on(
    environment: Environment,
) -> None:
    put_site(environment)
    environment.send(message())

    with environment.worker() as worker:
        worker.wait_until(lambda: environment.dead_letters() == 1, "dead letter")
        environment.send(request())
        worker.wait_for("message.deleted")
        # Once its tables are there, the same run is made: for its own date, under its own key.
        runner.upgrade_domain("water", environment.database_url)
        command(environment, "jobs", "retry", "water.licence-updates:2026-06-15T07:15:00Z")
        worker.wait_for("run.completed", run_date="2026-06-15")
        worker.wait_until(lambda: environment.messages() == 0, "empty queue")

    failed = worker.wait_for("job.failed")
    assert failed["error_code"] == "water_tables_missing"
    assert worker.wait_for("run.failed")["summary"] == "Licence updates job failed"
    assert [email.template_id for email in environment.notify.sent] == [FAILED, COMPLETED]
    assert "water.licence-updates for 2026-06-15" in str(
        environment.notify.sent[0].personalisation["development_name"]
    )
