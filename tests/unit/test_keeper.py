"""The keeper, with real threads and short intervals."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from worker.errors import TransientError
from worker.logs import correlated, correlation_id
from worker.queue.keeper import Hold, Keeper

INTERVAL_S = 0.05


@contextmanager
def keeper() -> Iterator[Keeper]:
    one = Keeper(INTERVAL_S)
    one.start()
    yield one
    one.close()


def hold(
    one: Keeper, *renewals: Callable[[], bool], give_up_after_s: float = 10.0
) -> tuple[Hold, threading.Event]:
    lost = threading.Event()
    held = one.hold("job", renewals, give_up_after_s=give_up_after_s, on_lost=lost.set)
    return held, lost


def test_a_hold_is_renewed_again_and_again_in_order() -> None:
    calls: list[str] = []

    def renewal(name: str) -> Callable[[], bool]:
        def renew() -> bool:
            calls.append(name)
            return True

        return renew

    with keeper() as one:
        hold(one, renewal("lease"), renewal("visibility"))
        time.sleep(INTERVAL_S * 5)

    assert len(calls) >= 4
    assert calls[:4] == ["lease", "visibility", "lease", "visibility"]


def test_a_dropped_hold_is_not_renewed_any_more() -> None:
    calls: list[float] = []

    def renew() -> bool:
        time.sleep(INTERVAL_S)
        calls.append(time.monotonic())
        return True

    with keeper() as one:
        held, _ = hold(one, renew)
        time.sleep(INTERVAL_S * 1.5)
        one.drop(held)
        dropped = time.monotonic()
        time.sleep(INTERVAL_S * 4)

    assert all(at <= dropped for at in calls)


def test_a_renewal_that_says_no_loses_the_hold_at_once() -> None:
    with keeper() as one:
        _, lost = hold(one, lambda: False)
        assert lost.wait(1)


def test_failing_renewals_are_tried_again_and_lost_only_after_the_limit() -> None:
    tries: list[float] = []

    def fail() -> bool:
        tries.append(time.monotonic())
        raise TransientError("queue_unavailable", "No answer.")

    with keeper() as one:
        started = time.monotonic()
        _, lost = hold(one, fail, give_up_after_s=0.3)
        assert lost.wait(5)

    assert time.monotonic() - started >= 0.3
    assert len(tries) > 3


def test_a_renewal_that_works_again_keeps_the_hold() -> None:
    answers = iter([False, False])

    def flaky() -> bool:
        if next(answers, True) is False:
            raise TransientError("queue_unavailable", "No answer.")
        return True

    with keeper() as one:
        _, lost = hold(one, flaky, give_up_after_s=0.5)
        assert not lost.wait(1.0)


def test_one_lost_hold_does_not_end_the_others() -> None:
    renewed = threading.Semaphore(0)

    def renew() -> bool:
        renewed.release()
        return True

    with keeper() as one:
        _, lost = hold(one, lambda: False)
        hold(one, renew)
        assert lost.wait(1)
        assert all(renewed.acquire(timeout=1) for _ in range(5))


def test_renewals_that_get_no_answer_hold_up_no_other() -> None:
    answer = threading.Event()
    renewed = threading.Semaphore(0)

    def silent() -> bool:
        return answer.wait(40)

    def renew() -> bool:
        renewed.release()
        return True

    with keeper() as one:
        others = [hold(one, silent)[0] for _ in range(9)]
        hold(one, renew)
        assert all(renewed.acquire(timeout=10) for _ in range(5))
        answer.set()
        for held in others:
            one.drop(held)


def test_a_hold_is_lost_at_its_limit_while_a_renewal_gets_no_answer_and_told_once() -> None:
    answer = threading.Event()
    told = threading.Semaphore(0)

    def silent() -> bool:
        answer.wait(40)
        return False

    with keeper() as one:
        held = one.hold("job", (silent,), give_up_after_s=0.3, on_lost=told.release)
        assert told.acquire(timeout=10)
        answer.set()
        one.drop(held)

    assert not told.acquire(blocking=False)


def test_a_worker_that_was_paused_beyond_the_limit_tries_to_renew_first() -> None:
    renewed = threading.Semaphore(0)

    def renew() -> bool:
        renewed.release()
        return True

    with keeper() as one:
        held, lost = hold(one, renew, give_up_after_s=10)
        held.last_success -= 60
        assert all(renewed.acquire(timeout=10) for _ in range(3))

    assert not lost.is_set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_unexpected_error_kills_the_thread_and_is_seen() -> None:
    def broken() -> bool:
        raise RuntimeError("a bug")

    with keeper() as one:
        hold(one, broken)
        deadline = time.monotonic() + 5
        while one.alive and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not one.alive


def test_a_renewal_that_gets_no_thread_kills_the_keeper_and_keeps_nobody_waiting() -> None:
    started = threading.Event()
    answer = threading.Event()

    def silent() -> bool:
        started.set()
        return answer.wait(40)

    with keeper() as one:
        other, _ = hold(one, silent)
        assert started.wait(10)
        # No address space has room for a thread of this size.
        usual = threading.stack_size(1 << 46)
        try:
            threadless = [hold(one, lambda: True)[0] for _ in range(3)]
            one._thread.join(10)
            assert not one.alive
            for held in threadless:
                one.drop(held)
        finally:
            threading.stack_size(usual)
        assert other.renewing, "what has its thread is waited for"
        answer.set()
        one.drop(other)


class Handover(threading.Condition):
    """Each time a renewal lets go of the lock, the keeper looks at what it has left."""

    def __init__(self, one: Keeper) -> None:
        super().__init__()
        self._keeper = one
        self._looked = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        if threading.current_thread().name == "keeper":
            self._looked.set()
        return super().wait(timeout)

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # type: ignore[arg-type]
        if threading.current_thread().name == "renewal":
            super().__enter__()
            self._looked.clear()
            self.notify_all()
            super().__exit__(None, None, None)
            while self._keeper.alive and not self._looked.wait(0.01):
                pass


@pytest.mark.parametrize("kept", [True, False, None], ids=["kept", "gone", "no-answer"])
def test_the_keeper_may_look_at_any_moment_of_a_renewal(kept: bool | None) -> None:
    renewed = threading.Semaphore(0)
    told = threading.Semaphore(0)

    def renew() -> bool:
        renewed.release()
        if kept is None:
            raise TransientError("queue_unavailable", "No answer.")
        return kept

    one = Keeper(INTERVAL_S)
    one._changed = Handover(one)
    one.start()
    held = one.hold("job", (renew,), give_up_after_s=10, on_lost=told.release)
    assert all(renewed.acquire(timeout=10) for _ in range(1 if kept is False else 3))
    if kept is False:
        assert told.acquire(timeout=10)
    assert one.alive
    one.drop(held)
    one.close()


def test_a_renewal_logs_under_the_id_of_the_message_that_it_keeps() -> None:
    seen: list[str | None] = []
    done = threading.Event()

    def renew() -> bool:
        seen.append(correlation_id())
        if len(seen) == 3:
            done.set()
        return True

    with keeper() as one:
        with correlated("trace-1"):
            hold(one, renew)
        with correlated("trace-2"):
            assert done.wait(20)
    assert set(seen) == {"trace-1"}
