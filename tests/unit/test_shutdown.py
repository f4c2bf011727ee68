"""Signals that ask for a stop, at any moment of a wait for one."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from tests.fakes.worker_process import PATIENCE_S
from worker.shutdown import StopSignal

if TYPE_CHECKING:
    from _typeshed import TraceFunction

REPOSITORY = Path(__file__).parents[2]


def signalled_at_each_step() -> None:
    """Wait once for each step that a wait has, with SIGTERM coming at it; writes their number."""
    for step in itertools.count(1):
        stop = StopSignal(30)
        stop.install()
        if not _wait_with_a_signal(stop, at=step):
            print(step - 1)
            return
        assert stop.requested
        assert stop.wait(3600), "it has not to be waited for again"


def _wait_with_a_signal(stop: StopSignal, *, at: int) -> bool:
    """Whether the wait had so many steps."""
    steps = itertools.count(1)
    came = False

    def trace(_frame: FrameType, _event: str, _arg: object) -> TraceFunction:
        nonlocal came
        if next(steps) == at:
            came = True
            signal.raise_signal(signal.SIGTERM)
        return trace

    sys.settrace(trace)
    try:
        stop.wait(0.01)
    finally:
        sys.settrace(None)
    return came


def test_a_signal_at_any_step_of_a_wait_ends_the_wait() -> None:
    program = f"from {__name__} import signalled_at_each_step as check; check()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )

    assert int(done.stdout) > 3


def test_a_signal_wakes_who_sleeps() -> None:
    program = (
        "from worker.shutdown import StopSignal; stop = StopSignal(30); stop.install();"
        " print('ready', flush=True); print(stop.wait(3600))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.kill(process.pid, signal.SIGTERM)
        assert process.stdout.read() == "True\n"
        assert process.wait(PATIENCE_S) == 0


def test_a_request_wakes_who_sleeps() -> None:
    stop = StopSignal(30)
    threading.Timer(0.1, stop.request).start()

    assert stop.wait(PATIENCE_S)
    assert stop.wait(PATIENCE_S)


def test_a_wait_that_nobody_ends_is_over_in_time() -> None:
    stop = StopSignal(30)

    assert not stop.wait(0.01)
    assert not stop.wait(-1)
    assert not stop.requested
