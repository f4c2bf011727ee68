"""The worker's own parts fail: threads, the health process, memory, the loop, jobs that hang."""

from __future__ import annotations

import os
import signal

import httpx
import pytest

from tests.fakes.blocked_queries import computing_blocked
from tests.fakes.environment import Environment
from tests.fakes.submissions import put_site, quote, request
from tests.fakes.worker_process import health_of


@pytest.mark.parametrize("fault", ["keeper-dies", "renewals-get-no-thread"])
def test_a_dead_keeper_ends_the_worker_after_its_job(environment: Environment, fault: str) -> None:
    put_site(environment)
    environment.send(request())
    environment.send(quote())
    batch = {"WORKER_LEASE_SECONDS": "6", "SQS_MAX_MESSAGES": "10"}
    with environment.faulty_worker(fault, **batch) as worker:
        with computing_blocked(environment):
            worker.wait_for("job.claimed")
            died = worker.wait_for("thread.died")
        assert worker.wait() == 70

    assert died["thread"] == "keeper"
    assert worker.events("worker.stopping", reason="keeper_dead")
    assert environment.value("SELECT status::text FROM jobs.job") == "SUCCEEDED"
    assert worker.events("message.released", delay_s=0)
    assert environment.messages() == 1, "what came in the same batch is left for the next worker"


def test_a_lost_health_process_ends_the_worker_after_its_job(environment: Environment) -> None:
    put_site(environment)
    environment.send(request())
    environment.send(quote())
    with environment.worker(SQS_MAX_MESSAGES="10") as worker:
        with computing_blocked(environment):
            worker.wait_for("job.claimed")
            pid = worker.wait_for("health.started")["pid"]
            assert isinstance(pid, int)
            os.kill(pid, signal.SIGKILL)
        assert worker.wait() == 75

    assert worker.events("worker.stopping", reason="health_process_lost")
    assert worker.events("message.deleted")
    assert len(environment.backend.results) == 1
    assert environment.messages() == 1, "what came in the same batch is left for the next worker"


def test_a_worker_that_has_grown_too_large_ends_after_its_job(environment: Environment) -> None:
    for number in (1, 2):
        environment.send(quote(f"NRF-00000{number}"))
    batch = {"WORKER_MAX_RSS_MB": "500", "SQS_MAX_MESSAGES": "10"}
    with environment.faulty_worker("jobs-leak", "600", **batch) as worker:
        assert worker.wait() == 75

    recycled = worker.wait_for("memory.recycle")
    assert recycled["limit_mb"] == 500
    assert len(worker.events("message.deleted")) == 1
    assert len(environment.backend.quotes) == 1
    assert environment.messages() == 1, "the other one is left for the next worker"


def test_a_memory_limit_below_what_an_idle_worker_needs_lets_one_job_through(
    environment: Environment,
) -> None:
    for number in (1, 2):
        environment.send(quote(f"NRF-00000{number}"))
    with environment.worker(WORKER_MAX_RSS_MB="64") as worker:
        assert worker.wait() == 75

    assert len(worker.events("message.deleted")) == 1
    assert worker.events("memory.recycle")
    assert environment.messages() == 1


def test_a_worker_ends_after_the_jobs_that_it_may_do(environment: Environment) -> None:
    for number in (1, 2, 3):
        environment.send(quote(f"NRF-00000{number}"))
    with environment.worker(WORKER_MAX_JOBS="2") as worker:
        assert worker.wait() == 75

    assert worker.events("worker.stopping", reason="job_limit", jobs=2)
    assert len(worker.events("message.received")) == 2
    assert environment.messages() == 1


def test_health_turns_bad_when_the_loop_does_not_come_back(environment: Environment) -> None:
    environment.send(quote())
    with environment.faulty_worker("loop-wedges", HEALTH_DELIVERY_LIMIT_SECONDS="1") as worker:
        url = health_of(worker)
        worker.wait_for("delivery.made")
        worker.wait_until(lambda: httpx.get(url).status_code == 503, "unhealthy worker")
        assert worker.process.poll() is None


def test_a_job_that_does_not_stop_when_told_to_ends_its_worker(environment: Environment) -> None:
    put_site(environment)
    environment.send(request())
    with environment.faulty_worker("jobs-hang", WORKER_JOB_TIMEOUT_SECONDS="1") as worker:
        assert worker.wait() == 70

    assert worker.events("job.interrupted", reason="job_timed_out")
    assert worker.events("worker.stopping", reason="work_abandoned")
    assert environment.value("SELECT status::text FROM jobs.job") == "PENDING"
    with environment.worker() as worker:
        worker.wait_for("message.deleted")
    assert len(environment.backend.results) == 1


def test_a_batch_that_waits_behind_a_long_job_is_kept_from_other_workers(
    environment: Environment,
) -> None:
    for number in range(1, 4):
        put_site(environment, f"job-{number}/site.zip")
    sent = [environment.send(request(f"job-{number}")) for number in range(1, 4)]
    short = {"WORKER_LEASE_SECONDS": "1", "SQS_VISIBILITY_TIMEOUT": "6", "SQS_MAX_MESSAGES": "3"}
    with environment.worker(**short) as first:
        with computing_blocked(environment):
            claimed = first.wait_for("job.claimed")
            with environment.worker(**short) as second:
                second.wait_for("worker.polling")
                # The lock is let go only when their first visibility has long passed.
                renewed = "SELECT renewed_at > claimed_at + interval '7 s' FROM jobs.assignment"
                first.wait_until(lambda: environment.value(renewed), "a renewed lease")
        first.wait_until(lambda: len(environment.backend.results) == 3, "three results")

    waiting = {sent[number - 1] for number in range(1, 4) if claimed["job_id"] != f"job-{number}"}
    received = {
        str(line["message_id"]): line["receive_count"] for line in first.events("message.received")
    }
    assert {one: received[one] for one in waiting} == dict.fromkeys(waiting, 1)
    assert waiting.isdisjoint(line["message_id"] for line in second.events("message.received"))
