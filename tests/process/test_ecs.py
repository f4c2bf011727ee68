"""The real worker in a task of ECS: protected while busy, named after the task, never held up."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from tests.fakes.blocked_queries import computing_blocked
from tests.fakes.commands import finished, job_run, payload, start
from tests.fakes.ecs_agent import CONTAINER, REFUSAL, TASK_ID, FakeEcsAgent
from tests.fakes.environment import Environment
from tests.fakes.submissions import put_site, quote, request
from worker.demo.fake_service import Misbehaviour, failing

# For the longest job (an hour's load) and its deliveries (a quarter of an hour), twice.
BUSY = {"WORKER_JOB_TYPES": "impact-assessment,reference.load"}
ON, OFF = {"ProtectionEnabled": True, "ExpiresInMinutes": 150}, {"ProtectionEnabled": False}


@pytest.fixture
def agent() -> Iterator[FakeEcsAgent]:
    with FakeEcsAgent() as one:
        yield one


def test_the_task_is_protected_before_the_work_and_until_there_is_none(
    environment: Environment, agent: FakeEcsAgent
) -> None:
    put_site(environment)
    for number in range(1, 4):
        environment.send(quote(f"NRF-00000{number}"))
    with environment.worker(**BUSY, **agent.variables) as worker:
        worker.wait_until(lambda: len(worker.events("message.deleted")) == 3, "three deleted")
        worker.wait_until(lambda: agent.asked == [ON, OFF], "protection cleared when idle")

        with computing_blocked(environment):
            environment.send(request())
            worker.wait_for("job.claimed", job_id="job-1")
            assert agent.asked == [ON, OFF, ON], "protected before the job is claimed"
        worker.wait_until(lambda: len(agent.asked) == 4, "protection cleared again")

    delivered = [one.at for one in environment.backend.received]
    asked = [one.at for one in agent.puts]
    assert asked[0] < delivered[0], "not a job is done unprotected"
    assert delivered[2] < asked[1], "protection stays between messages that follow each other"
    assert not agent.protected
    assert worker.wait_for("worker.started")["worker_id"] == f"{TASK_ID}/{CONTAINER}"
    assert environment.value("SELECT worker_id FROM jobs.assignment LIMIT 1") == (
        f"{TASK_ID}/{CONTAINER}"
    )


def test_a_worker_that_stops_leaves_its_task_unprotected(
    environment: Environment, agent: FakeEcsAgent
) -> None:
    put_site(environment)
    short = {**BUSY, "WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "3"}
    with computing_blocked(environment), environment.worker(**short, **agent.variables) as worker:
        environment.send(request())
        worker.wait_for("job.claimed")
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0

    assert agent.asked == [ON, OFF]
    assert worker.events("message.released", delay_s=0)


@pytest.mark.parametrize(
    "misbehaviour",
    [Misbehaviour(delay_s=600.0), failing(200, REFUSAL.body)],
    ids=["silent", "refusing"],
)
def test_a_bad_agent_is_told_once_and_jobs_run_all_the_same(
    environment: Environment, agent: FakeEcsAgent, misbehaviour: Misbehaviour
) -> None:
    agent.misbehave_always(misbehaviour)
    for number in range(1, 4):
        environment.send(quote(f"NRF-00000{number}"))
    with environment.worker(**agent.variables) as worker:
        worker.wait_until(lambda: len(worker.events("message.deleted")) == 3, "three deleted")

    assert len(worker.events("protection.failed")) == 1
    assert worker.events("task.unnamed")
    assert len(environment.backend.quotes) == 3
    assert len(agent.puts) == 1, "asked once, not at each message"


def test_a_task_that_was_started_for_one_job_asks_for_no_protection(
    environment: Environment, agent: FakeEcsAgent
) -> None:
    put_site(environment)
    process = job_run(environment, payload(), **agent.variables)
    code, _ = finished(process)

    assert code == 0
    assert agent.asked == []
    assert environment.value("SELECT worker_id FROM jobs.assignment") == f"{TASK_ID}/{CONTAINER}"


@pytest.mark.parametrize("until", [("--drain",), ("--max-idle-seconds", "1")])
def test_a_task_that_was_started_for_what_waits_asks_for_no_protection(
    environment: Environment, agent: FakeEcsAgent, until: tuple[str, ...]
) -> None:
    environment.send(quote("NRF-000001"))

    code, _ = finished(start(environment, "run", *until, **agent.variables))

    assert code == 0
    assert environment.messages() == 0
    assert agent.asked == []


def test_a_silent_agent_does_not_use_up_the_time_to_stop(
    environment: Environment, agent: FakeEcsAgent
) -> None:
    put_site(environment)
    with (
        computing_blocked(environment),
        environment.worker(WORKER_GRACEFUL_SHUTDOWN_TIMEOUT="4", **agent.variables) as worker,
    ):
        environment.send(request())
        worker.wait_for("job.claimed")
        agent.misbehave_always(Misbehaviour(delay_s=600.0))
        worker.signal(signal.SIGTERM)
        asked = time.monotonic()
        assert worker.wait() == 0
        # The agent's two seconds come on top of the time that the job has.
        assert time.monotonic() - asked < 4.0 + 2.0

    assert environment.value("SELECT status::text FROM jobs.job") == "PENDING"
