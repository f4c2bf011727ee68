"""SIGKILL between any two steps of a job: whoever comes next finishes it, and nothing is doubled.

``SEAM_KILLS`` says how often each seam is met (``make seam-kill``: 20 times).
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest

from tests.fakes.aws_proxy import AwsProxy
from tests.fakes.environment import COMPLETED, FAILED, Environment
from tests.fakes.submissions import put_broken_site, put_site, quote, request
from tests.fakes.worker_process import WorkerProcess

ROUNDS = int(os.environ.get("SEAM_KILLS", "1"))

BACKEND_SEAMS = ("before-backend", "backend-sent", "backend-recorded")
EMAIL_SEAMS = ("before-email", "email-sent", "email-recorded")
UPLOAD_SEAMS = (
    "claimed",
    "computed",
    "committed",
    *BACKEND_SEAMS,
    *EMAIL_SEAMS,
    "before-delete",
    "deleted",
)
FAILURE_SEAMS = (
    "failed",
    *BACKEND_SEAMS,
    *EMAIL_SEAMS,
    "before-release",
)

# Leases of the dead end soon; their messages are shown again when all have been killed.
SHORT_LEASE = {"WORKER_LEASE_SECONDS": "1", "SQS_VISIBILITY_TIMEOUT": "3600"}


def send_upload(environment: Environment, seam: str, round_: int) -> str:
    key = f"{seam}-{round_}"
    put_site(environment, f"{key}/site.zip")
    environment.send(request(key))
    return key


def send_broken_upload(environment: Environment, seam: str, round_: int) -> str:
    key = f"{seam}-{round_}"
    put_broken_site(environment, key)
    environment.send(request(key))
    return key


def send_quote(environment: Environment, seam: str, round_: int) -> str:
    reference = f"NRF-{BACKEND_SEAMS.index(seam) + 1:03}{round_:03}"
    environment.send(quote(reference))
    return reference


def wait_until_empty(environment: Environment, worker: WorkerProcess) -> None:
    """Patient as long as messages become fewer, however many there are."""

    def fewer_than(count: int) -> bool:
        return environment.messages() < count

    while left := environment.messages():
        worker.wait_until(partial(fewer_than, left), "fewer messages")


def kill_and_finish(
    environment: Environment,
    seams: tuple[str, ...],
    send: Callable[[Environment, str, int], str],
) -> dict[str, str]:
    """One job for each kill, then one worker that finishes them all; (job's name: its seam)."""
    jobs: dict[str, str] = {}
    with AwsProxy(environment.aws) as proxy:
        variables = {**SHORT_LEASE, **proxy.variables(environment.queue)}
        for round_ in range(ROUNDS):
            for seam in seams:
                jobs[send(environment, seam, round_)] = seam
                with environment.faulty_worker("kill-at", seam, **variables) as worker:
                    ended = worker.wait_until(lambda: worker.process.poll(), f"kill: {seam}")
                    assert ended == -signal.SIGKILL, f"{seam}:\n{worker.log()}"
        proxy.show_again(environment.queue)
        with environment.worker(**variables) as worker:
            wait_until_empty(environment, worker)
            worker.signal(signal.SIGTERM)
            assert worker.wait() == 0
    return jobs


def assert_each_done_once(environment: Environment, jobs: dict[str, str]) -> None:
    assert environment.messages() == 0
    assert environment.dead_letters() == 0
    assert environment.value("SELECT count(*) FROM jobs.result") == len(jobs)
    unfinished = "SELECT count(*) FROM jobs.job WHERE status <> 'SUCCEEDED'"
    assert environment.value(unfinished) == 0
    undelivered = "SELECT count(*) FROM jobs.delivery WHERE status <> 'DELIVERED'"
    assert environment.value(undelivered) == 0
    seams = Counter(jobs.values())
    print(
        f"\n{seams.total()} workers killed at {len(seams)} seams: {len(jobs)} results,"
        f" {len(environment.backend.received)} requests at the backend with {len(jobs)} effects,"
        f" {len(environment.notify.sent)} e-mails, no message left"
    )


@pytest.mark.timeout(200 * ROUNDS)
def test_an_upload_whose_worker_is_killed_at_any_seam_is_done_and_told_once(
    environment: Environment,
) -> None:
    jobs = kill_and_finish(environment, UPLOAD_SEAMS, send_upload)

    assert {key: stored.changes for key, stored in environment.backend.results.items()} == (
        dict.fromkeys(jobs, 1)
    )
    assert {one.template_id for one in environment.notify.sent} == {COMPLETED}
    mailed = Counter(str(one.personalisation["job_id"]) for one in environment.notify.sent)
    assert mailed == dict.fromkeys(jobs, 1)
    posts = Counter(one.path.split("/")[2] for one in environment.backend.received)
    twice = {key for key, count in posts.items() if count == 2}
    assert twice == {key for key, seam in jobs.items() if seam == "backend-sent"}
    assert posts.total() == len(jobs) + len(twice)
    assert_each_done_once(environment, jobs)


@pytest.mark.timeout(200 * ROUNDS)
def test_a_broken_upload_whose_worker_is_killed_at_any_seam_is_refused_and_told_once(
    environment: Environment,
) -> None:
    jobs = kill_and_finish(environment, FAILURE_SEAMS, send_broken_upload)

    ends = "SELECT DISTINCT status::text || ' ' || error_code FROM jobs.job"
    assert environment.value(ends) == "FAILED geometry_invalid"
    assert environment.value("SELECT count(*) FROM jobs.job") == len(jobs)
    stored = environment.backend.results
    assert {key: one.changes for key, one in stored.items()} == dict.fromkeys(jobs, 1)
    bodies = (one.body for one in stored.values())
    assert {body["status"] for body in bodies if isinstance(body, dict)} == {"FAILED"}
    assert {one.template_id for one in environment.notify.sent} == {FAILED}
    mailed = Counter(str(one.personalisation["job_id"]) for one in environment.notify.sent)
    assert mailed == dict.fromkeys(jobs, 1)
    undelivered = "SELECT count(*) FROM jobs.delivery WHERE status <> 'DELIVERED'"
    assert environment.value(undelivered) == 0
    assert (environment.messages(), environment.dead_letters()) == (0, len(jobs))
    seams = Counter(jobs.values())
    print(
        f"\n{seams.total()} workers killed at {len(seams)} seams of a failure:"
        f" {len(stored)} refusals at the backend, {len(mailed)} e-mails, {len(jobs)} dead letters"
    )


@pytest.mark.timeout(100 * ROUNDS)
def test_a_quote_whose_worker_is_killed_around_its_patch_has_one_effect(
    environment: Environment,
) -> None:
    jobs = kill_and_finish(environment, BACKEND_SEAMS, send_quote)

    assert {key: stored.changes for key, stored in environment.backend.quotes.items()} == (
        dict.fromkeys(jobs, 1)
    )
    assert len(environment.backend.received) == len(jobs) + ROUNDS, "sent again where unrecorded"
    assert_each_done_once(environment, jobs)
