"""Runs one piece of work in a thread of its own, so that the loop can always get away from it.

The main thread waits, watches the clock, the stop signal and the lease, and never blocks in what
the work blocks in. Work that does not end when it is told to is abandoned: its writes are fenced,
and the process has to end.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from worker.errors import WorkerError
from worker.jobs.context import Interruption, StopReason
from worker.shutdown import StopSignal

_T = TypeVar("_T")

# How long interrupted work may take to notice: a query is cancelled and a child is killed at once.
_LET_GO_S = 5.0
_TICK_S = 0.1


class Abandoned(WorkerError):
    """The work goes on in its thread although it was told to stop."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__("work_abandoned", "The work did not stop when told to.", detail=reason)
        self.reason = reason


class _Outcome(Generic[_T]):
    value: _T
    error: BaseException | None = None


def supervise(
    work: Callable[[], _T],
    interruption: Interruption,
    *,
    limit_s: float,
    stop: StopSignal,
) -> _T:
    """Run ``work`` in a thread and return its value or raise its error.

    Interrupts it after ``limit_s`` seconds, or when a stop no longer leaves it time; raises
    Abandoned if it does not let go a few seconds later.
    """
    outcome: _Outcome[_T] = _Outcome()
    done = threading.Event()

    def target() -> None:
        try:
            outcome.value = work()
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            outcome.error = error
        finally:
            done.set()

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(target,), name="job", daemon=True).start()
    _watch(done, interruption, limit_s, stop)
    if outcome.error is not None:
        # What was interrupted fails in its own way: a query was cancelled, a child was killed.
        interruption.checkpoint()
        raise outcome.error
    return outcome.value


def _watch(
    done: threading.Event, interruption: Interruption, limit_s: float, stop: StopSignal
) -> None:
    ends_at = time.monotonic() + limit_s
    while not done.wait(_TICK_S):
        told_at = time.monotonic()
        if stop.job_must_stop:
            interruption.interrupt(StopReason.STOP_REQUESTED)
        elif told_at >= ends_at:
            interruption.interrupt(StopReason.TIMED_OUT)
        if interruption.reason is not None:
            patience_s = 1.0 if stop.job_must_stop else _LET_GO_S
            # Telling it has taken its part of that, if a server is slow to hear of a cancel.
            if not done.wait(max(told_at + patience_s - time.monotonic(), 0.0)):
                raise Abandoned(interruption.reason)
            return
