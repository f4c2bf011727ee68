"""Work in a thread: its value, its error, and how the main thread gets away from it."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest

from worker.errors import Interrupted, TransientError
from worker.jobs.context import Interruption, StopReason
from worker.jobs.supervision import Abandoned, supervise
from worker.logs import correlated, correlation_id
from worker.shutdown import StopSignal


def stopping(grace_s: float = 30) -> StopSignal:
    return StopSignal(grace_s)


def test_the_value_comes_back_and_the_correlation_id_goes_along() -> None:
    with correlated("trace-1"):
        value = supervise(correlation_id, Interruption(), limit_s=5, stop=stopping())

    assert value == "trace-1"


def test_the_error_of_the_work_is_raised() -> None:
    def fail() -> None:
        raise TransientError("s3_unavailable", "No answer.")

    with pytest.raises(TransientError, match="s3_unavailable"):
        supervise(fail, Interruption(), limit_s=5, stop=stopping())


def test_work_over_its_time_is_interrupted_and_what_it_waits_for_is_aborted() -> None:
    interruption = Interruption()
    aborted = threading.Event()

    def work() -> None:
        with interruption.abortable(aborted.set):
            aborted.wait(10)
            raise RuntimeError("the query was cancelled")

    with pytest.raises(Interrupted) as raised:
        supervise(work, interruption, limit_s=0.2, stop=stopping())
    assert raised.value.code == StopReason.TIMED_OUT


def test_a_stop_that_leaves_no_time_interrupts() -> None:
    interruption = Interruption()
    stop = stopping(grace_s=0.4)

    def work() -> None:
        while True:
            interruption.checkpoint()
            time.sleep(0.01)

    stop.request()
    with pytest.raises(Interrupted) as raised:
        supervise(work, interruption, limit_s=60, stop=stop)
    assert raised.value.code == StopReason.STOP_REQUESTED


def test_a_stop_with_time_left_lets_the_work_finish() -> None:
    stop = stopping(grace_s=30)
    stop.request()

    def work() -> int:
        time.sleep(0.3)
        return 1

    assert supervise(work, Interruption(), limit_s=60, stop=stop) == 1


def test_work_that_does_not_let_go_is_abandoned() -> None:
    release = threading.Event()
    stop = stopping(grace_s=0)
    stop.request()

    with pytest.raises(Abandoned) as raised:
        supervise(lambda: release.wait(30), Interruption(), limit_s=60, stop=stop)
    release.set()
    assert raised.value.reason is StopReason.STOP_REQUESTED


def test_the_first_reason_to_stop_stays() -> None:
    interruption = Interruption()
    interruption.interrupt(StopReason.LEASE_LOST)
    interruption.interrupt(StopReason.TIMED_OUT)

    assert interruption.reason is StopReason.LEASE_LOST


def test_an_abort_registered_after_the_interruption_never_starts_its_work() -> None:
    interruption = Interruption()
    interruption.interrupt(StopReason.LEASE_LOST)

    with pytest.raises(Interrupted), interruption.abortable(lambda: None):
        pytest.fail("the block must not run")


def test_an_abort_that_fails_keeps_no_other_from_being_called() -> None:
    interruption = Interruption()
    aborted = threading.Event()

    def fail() -> None:
        raise OSError("connection refused")

    with (
        pytest.raises(Interrupted),
        interruption.abortable(fail),
        interruption.abortable(aborted.set),
    ):
        interruption.interrupt(StopReason.NOT_RENEWED)

    assert aborted.is_set()
    assert interruption.reason is StopReason.NOT_RENEWED


def test_a_block_does_not_end_while_it_is_aborted() -> None:
    """A connection that it has given back may serve somebody else."""
    interruption = Interruption()
    aborting, left = threading.Event(), threading.Event()
    left_meanwhile: list[bool] = []

    def abort() -> None:
        aborting.set()
        left_meanwhile.append(left.wait(0.2))

    teller = threading.Thread(target=interruption.interrupt, args=(StopReason.TIMED_OUT,))
    with pytest.raises(Interrupted), interruption.abortable(abort):
        teller.start()
        assert aborting.wait(40)
    left.set()
    teller.join(40)

    assert left_meanwhile == [False]


class ToldAtOnce(Interruption):
    """Somebody tells it to stop at the moment when it has just found that nobody did."""

    teller: threading.Thread | None = None

    def checkpoint(self) -> None:
        super().checkpoint()
        if self.teller is None:
            tell = partial(self.interrupt, StopReason.STOP_REQUESTED)
            self.teller = threading.Thread(target=tell, daemon=True)
            self.teller.start()
            # It either gets through now or has to wait until the abort is known.
            self.teller.join(0.2)


def test_no_stop_falls_between_the_question_and_the_wait() -> None:
    aborted = threading.Event()

    with pytest.raises(Interrupted), ToldAtOnce().abortable(aborted.set):
        assert aborted.wait(40)
