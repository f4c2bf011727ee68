"""The keeper: renews what a worker holds while its main thread works.

It is given callables and knows neither the queue nor the ledger. Each renewal runs in a thread of
its own, so that one that blocks delays no other. A hold whose renewals have not all succeeded for
``give_up_after_s`` is lost, also while one of them blocks: its holder is told once and stops
writing.
"""

from __future__ import annotations

import contextvars
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from worker.errors import WorkerError
from worker.logs import logger

_log = logger(__name__)

Renewal = Callable[[], bool]


@dataclass(slots=True, eq=False)
class Hold:
    """Something kept alive. ``renewals`` run in order; False means it is gone for good.

    They run in the context of whoever asked for it, so that their lines carry its correlation id.
    """

    name: str
    renewals: tuple[Renewal, ...]
    give_up_after_s: float
    on_lost: Callable[[], None]
    last_success: float = field(default_factory=time.monotonic)
    due: float = 0.0
    # When it is lost unless a renewal succeeds; set by the first try after a success.
    lost_at: float = math.inf
    renewing: bool = False
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    @property
    def next_try(self) -> float:
        return math.inf if self.renewing else self.due

    def run(self, call: Callable[[], object]) -> None:
        """Call it in the hold's context, where another thread may be at the same time."""
        self.context.copy().run(call)


class Keeper:
    """Renews every hold each ``interval_s`` seconds, and sooner after a failure."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._retry_s = interval_s / 4
        self._holds: set[Hold] = set()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        """False once the thread has died; nothing is kept from then on."""
        return self._thread.is_alive()

    def hold(
        self,
        name: str,
        renewals: tuple[Renewal, ...],
        *,
        give_up_after_s: float,
        on_lost: Callable[[], None],
    ) -> Hold:
        """Keep something alive from now on; it counts as renewed just now."""
        held = Hold(name, renewals, give_up_after_s, on_lost)
        held.due = held.last_success + self._interval_s
        with self._changed:
            self._holds.add(held)
            self._changed.notify_all()
        return held

    def drop(self, held: Hold) -> None:
        """Stop keeping it; when this returns, no renewal of it is under way.

        A renewal after the message was released would make it invisible again.
        """
        with self._changed:
            self._holds.discard(held)
            self._changed.wait_for(lambda: not held.renewing)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: not any(held.renewing for held in self._holds), timeout=5
            )
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            while (found := self._wait()) is not None:
                lost, due = found
                self._start(due)
                for held in lost:
                    held.run(held.on_lost)
        except BaseException:  # noqa: BLE001 - the main thread sees ``alive`` turn False and stops
            _log.critical("thread.died", thread="keeper", exc_info=True)

    def _start(self, due: Sequence[Hold]) -> None:
        started = 0
        try:
            for held in due:
                threading.Thread(
                    target=self._try, args=(held,), name="renewal", daemon=True
                ).start()
                started += 1
        finally:
            # Without a thread, if the system has none left, nothing of it is under way.
            with self._ending(*due[started:]):
                pass

    def _wait(self) -> tuple[list[Hold], list[Hold]] | None:
        """The holds that are lost and those to renew, once there are any; None at the end."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                lost = [held for held in self._holds if held.lost_at <= now]
                self._holds.difference_update(lost)
                due = [held for held in self._holds if held.next_try <= now]
                for held in due:
                    self._begin(held, now)
                if lost or due:
                    return lost, due
                times = [min(held.next_try, held.lost_at) for held in self._holds]
                self._changed.wait(min(times, default=now + 3600) - now)
            return None

    def _begin(self, held: Hold, now: float) -> None:
        held.renewing = True
        # After a pause of this process there has to be time for a first try.
        first_try = max(held.last_success + held.give_up_after_s, now + self._retry_s)
        held.lost_at = min(held.lost_at, first_try)

    def _try(self, held: Hold) -> None:
        try:
            held.run(lambda: self._renew(held))
        except BaseException:  # noqa: BLE001 - the main thread sees ``alive`` turn False and stops
            try:
                _log.critical("thread.died", thread="keeper", exc_info=True)
            finally:
                with self._ending(held):
                    self._closed = True

    def _renew(self, held: Hold) -> None:
        started = time.monotonic()
        try:
            kept = all(renewal() for renewal in held.renewals)
        except WorkerError as error:
            _log.warning("lease.renewal_failed", hold=held.name, error_code=error.code)
            with self._ending(held):
                held.due = time.monotonic() + self._retry_s
            return
        if not kept:
            with self._ending(held):
                held.lost_at = started
            return
        _log.debug("lease.renewed", hold=held.name)
        with self._ending(held):
            held.last_success = started
            held.due = started + self._interval_s
            held.lost_at = math.inf

    @contextmanager
    def _ending(self, *holds: Hold) -> Iterator[None]:
        """The end of renewals: nobody sees it without what the block makes of it."""
        with self._changed:
            yield
            for held in holds:
                held.renewing = False
            self._changed.notify_all()
