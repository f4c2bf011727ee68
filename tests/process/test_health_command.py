"""``worker health``: what the container asks itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from worker.health import HealthProcess
from worker.progress import Phase, Progress
from worker.settings import HealthSettings, RuntimeSettings


@pytest.fixture
def health() -> Iterator[HealthProcess]:
    process = HealthProcess(
        HealthSettings(health_port=0, health_host="127.0.0.1"), RuntimeSettings()
    )
    process.start()
    yield process
    process.stop()


def ask(port: int | str) -> subprocess.CompletedProcess[str]:
    dead_proxy = "http://127.0.0.1:9"
    return subprocess.run(
        [sys.executable, "-m", "worker", "health"],
        env={
            "PATH": os.environ["PATH"],
            "HEALTH_PORT": str(port),
            "HTTP_PROXY": dead_proxy,
            "http_proxy": dead_proxy,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_worker_that_is_well_answers_zero_whatever_proxy_is_set(health: HealthProcess) -> None:
    health.report(Progress(Phase.POLLING, 60.0))

    said = ask(health.port)

    assert said.returncode == 0, said.stdout + said.stderr
    assert '"status"' in said.stdout


def test_a_worker_that_is_stuck_answers_one_and_says_why(health: HealthProcess) -> None:
    health.report(Progress(Phase.WORKING, 0.001, job="job-1"))

    said = ask(health.port)

    assert said.returncode == 1
    assert "job-1" in said.stdout


def test_no_worker_at_all_answers_one(health: HealthProcess) -> None:
    port = health.port
    health.stop()

    said = ask(port)

    assert said.returncode == 1
    assert said.stdout.startswith("no answer")


def test_a_port_that_is_none_is_told_as_the_worker_would_tell_it() -> None:
    said = ask("abc")

    assert said.returncode == 78
    assert said.stderr.startswith("configuration: HEALTH_PORT: ")
    assert "Traceback" not in said.stderr
