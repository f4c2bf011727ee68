"""The health process: it answers while the worker computes, and tells when the worker is stuck."""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.fakes import health_parent
from worker.errors import EX_UNAVAILABLE, StartError
from worker.health import HealthProcess
from worker.progress import Phase, Progress
from worker.settings import HealthSettings, RuntimeSettings

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, object]


def ask(port: int, path: str = "/health") -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return Answer(response.status, json.loads(response.read()))
    finally:
        connection.close()


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return True
    return False


def wait_for(condition: Callable[[], bool], within_s: float) -> float:
    """Seconds until the condition holds; fails when it does not in time."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < within_s, f"not within {within_s} s"
        time.sleep(0.02)
    return time.monotonic() - started


@pytest.fixture
def health() -> Iterator[HealthProcess]:
    process = HealthProcess(
        HealthSettings(health_port=0, health_host="127.0.0.1"),
        RuntimeSettings(service_version="1.2.3"),
    )
    process.start()
    yield process
    process.stop()


@contextmanager
def parent(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """(process, port, pid of the health process) of a worker that only reports."""
    process = subprocess.Popen(
        [sys.executable, "-m", health_parent.__name__, *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line[0].isdigit())
        port, pid = (int(word) for word in line.split())
        yield process, port, pid
    finally:
        # The group may hold a forked process after its leader is gone.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_health_tells_what_the_loop_is_doing(health: HealthProcess) -> None:
    assert ask(health.port).body["phase"] == "starting"
    health.report(Progress(Phase.WAITING, 90, polled=True))
    health.report(Progress(Phase.WORKING, 960, job="job-0001", job_type="impact-assessment"))
    wait_for(lambda: ask(health.port).body["phase"] == "working", 2)
    answer = ask(health.port)
    age_s = answer.body.pop("lastPollAgeSeconds")
    assert isinstance(age_s, float)
    assert 0 <= age_s < 5
    assert answer == Answer(
        200,
        {
            "status": "ok",
            "phase": "working",
            "currentJob": "job-0001",
            "jobType": "impact-assessment",
            "version": "1.2.3",
        },
    )


def test_version_is_that_of_the_service(health: HealthProcess) -> None:
    assert ask(health.port, "/version") == Answer(200, {"version": "1.2.3"})


def test_a_phase_without_progress_turns_unhealthy_at_its_limit_and_back(
    health: HealthProcess,
) -> None:
    health.report(Progress(Phase.DELIVERING, 0.5))
    took_s = wait_for(lambda: ask(health.port).status == 503, 3)
    assert took_s > 0.4
    answer = ask(health.port)
    assert answer.body["status"] == "stuck"
    assert answer.body["phase"] == "delivering"
    health.report(Progress(Phase.POLLING, 90))
    wait_for(lambda: ask(health.port).status == 200, 2)


def test_health_turns_unhealthy_when_the_worker_is_stopped_and_back_when_it_goes_on() -> None:
    with parent("1.0") as (process, port, _):
        assert ask(port).status == 200
        process.send_signal(signal.SIGSTOP)
        assert wait_for(lambda: ask(port).status == 503, 3) > 0.8
        process.send_signal(signal.SIGCONT)
        wait_for(lambda: ask(port).status == 200, 3)


@pytest.mark.parametrize("arguments", [("60",), ("60", "--leak")], ids=["plain", "leaked-feed"])
def test_the_health_process_ends_with_a_killed_worker(
    arguments: tuple[str, ...],
) -> None:
    with parent(*arguments) as (process, port, pid):
        # Ready, and so tied to its parent.
        assert ask(port).status == 200
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_for(lambda: not _runs(pid) and refuses(port), 3)


def test_a_dead_health_process_is_noticed_and_harms_nobody(
    health: HealthProcess,
) -> None:
    assert health.alive
    assert health.pid is not None
    os.kill(health.pid, signal.SIGKILL)
    wait_for(lambda: not health.alive and refuses(health.port), 3)
    for _ in range(3):
        health.report(Progress(Phase.POLLING, 90))


def test_signals_to_the_group_do_not_end_the_health_process(
    health: HealthProcess,
) -> None:
    assert ask(health.port).status == 200
    assert health.pid is not None
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(health.pid, number)
    time.sleep(0.3)
    assert health.alive
    assert ask(health.port).status == 200


def test_reports_never_wait_for_a_health_process_that_does_not_read(
    health: HealthProcess,
) -> None:
    assert ask(health.port).status == 200
    assert health.pid is not None
    os.kill(health.pid, signal.SIGSTOP)
    started = time.monotonic()
    for number in range(20_000):
        # Long enough now and then for the kernel to take only a part of it.
        padding = "x" * (500_000 if number % 1_000 == 0 else 0)
        health.report(Progress(Phase.WORKING, 90, job=f"job-{number}{padding}"))
    assert time.monotonic() - started < 5
    os.kill(health.pid, signal.SIGCONT)

    def newest_is_read() -> bool:
        health.report(Progress(Phase.WORKING, 90, job="newest"))
        return ask(health.port).body["currentJob"] == "newest"

    wait_for(newest_is_read, 5)


def test_stop_ends_the_health_process(health: HealthProcess) -> None:
    assert ask(health.port).status == 200
    pid = health.pid
    assert pid is not None
    health.stop()
    assert not health.alive
    assert not _runs(pid)
    assert refuses(health.port)


def test_a_port_in_use_keeps_the_worker_from_starting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = HealthProcess(
            HealthSettings(health_port=port, health_host="127.0.0.1"), RuntimeSettings()
        )
        with pytest.raises(StartError) as caught:
            process.start()
    assert caught.value.code == "health_port_unavailable"
    assert caught.value.exit_code == EX_UNAVAILABLE


def test_requests_are_not_logged() -> None:
    with parent("60") as (process, port, _):
        # At once, so that some wait for others.
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(ask, [port] * 80))
        assert {answer.status for answer in answers} == {200}
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        assert process.stdout.read() == ""


def test_the_health_process_stays_small() -> None:
    with parent("60") as (_, port, pid):
        for _ in range(20):
            ask(port)
        memory = psutil.Process(pid).memory_full_info()
    assert memory.pss < 35 * 1024 * 1024
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, worker.health_process; print(*sys.modules)",
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"boto3", "pydantic", "psycopg", "shapely", "fiona", "sqlalchemy"} & set(loaded)


def test_health_answers_within_50_ms_while_every_core_computes(
    health: HealthProcess,
) -> None:
    health.report(Progress(Phase.WORKING, 90))
    spawn = multiprocessing.get_context("spawn")
    cores = [spawn.Process(target=_compute, daemon=True) for _ in range(os.cpu_count() or 2)]
    for core in cores:
        core.start()
    try:
        ask(health.port)
        times = sorted(_timed(lambda: ask(health.port)) for _ in range(1_000))
    finally:
        for core in cores:
            core.kill()
            core.join()
    assert times[989] < 0.050, f"p99 {times[989] * 1000:.1f} ms"


def _compute() -> None:
    while True:
        sum(number * number for number in range(100_000))


def _timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
