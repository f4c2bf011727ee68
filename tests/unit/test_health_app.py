"""How reports become verdicts, on a clock that the test turns."""

from __future__ import annotations

import io
import json
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict

import pytest
from flask.testing import FlaskClient

from tests.fakes.clock import Clock
from tests.fakes.embedded_metrics import figures
from worker import logs, metrics
from worker.health_process import START_LIMIT_S, Watch, create_app, follow
from worker.progress import Phase, Progress
from worker.settings import RuntimeSettings


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(clock: Clock) -> Watch:
    return Watch(clock)


@pytest.fixture
def client(watch: Watch) -> Iterator[FlaskClient]:
    with create_app(watch, "1.2.3").test_client() as client:
        yield client


def test_a_worker_that_never_reports_turns_unhealthy_after_the_start_limit(
    client: FlaskClient, clock: Clock
) -> None:
    clock.now += START_LIMIT_S
    assert client.get("/health").status_code == 200
    clock.now += 0.1
    assert client.get("/health").status_code == 503


@pytest.mark.parametrize(
    ("phase", "limit_s"),
    [(Phase.POLLING, 90.0), (Phase.WORKING, 960.0), (Phase.DELIVERING, 120.0)],
)
def test_each_report_brings_the_limit_of_its_phase(
    client: FlaskClient, clock: Clock, watch: Watch, phase: Phase, limit_s: float
) -> None:
    watch.report(Progress(phase, limit_s))
    clock.now += limit_s
    assert client.get("/health").get_json()["status"] == "ok"
    clock.now += 0.1
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.get_json() == {
        "status": "stuck",
        "phase": phase.value,
        "lastPollAgeSeconds": None,
        "currentJob": None,
        "jobType": None,
        "version": "1.2.3",
    }


def test_the_age_of_the_last_poll_goes_on_while_a_job_runs(
    client: FlaskClient, clock: Clock, watch: Watch
) -> None:
    watch.report(Progress(Phase.WAITING, 90, polled=True))
    clock.now += 10
    watch.report(Progress(Phase.WORKING, 960))
    clock.now += 20.04
    assert client.get("/health").get_json()["lastPollAgeSeconds"] == 30.0


def test_reports_are_read_to_the_end_of_the_feed_but_not_a_broken_one(
    watch: Watch,
) -> None:
    worker, child = socket.socketpair()
    with worker, child:
        report = json.dumps(asdict(Progress(Phase.WORKING, 5, job="job-0001"))).encode()
        worker.sendall(report + b"\n" + report[: len(report) // 2])
        worker.close()
        follow(child, watch)
    assert watch.verdict().progress == Progress(Phase.WORKING, 5, job="job-0001")


def test_only_a_bad_answer_is_worth_a_line_and_a_figure(
    client: FlaskClient,
    clock: Clock,
    watch: Watch,
    own_logging: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    target = metrics.Target("Namespace", "the-service")
    logs.configure(RuntimeSettings(log_format="json"), observers=metrics.observers(target))
    watch.report(Progress(Phase.WORKING, 960.0, job="job-1", job_type="impact-assessment"))
    client.get("/health")
    client.get("/version")
    assert written.getvalue() == "", "requests are not logged"

    clock.now += 961
    client.get("/health")
    figure, line = (json.loads(one) for one in written.getvalue().splitlines())
    assert [(one.name, one.value) for one in figures([figure])] == [("HealthFailures", 1)]
    assert (line["message"], line["phase"], line["job_id"]) == ("health.failed", "working", "job-1")
