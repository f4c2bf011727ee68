"""The keeper: a thread that renews what a worker holds while its main thread works.

It is given callables and knows neither the queue nor the ledger. A hold whose renewals have not
all succeeded for ``give_up_after_s`` is lost: its holder is told once and stops writing.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
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
    context: contextvars.Context = field(default_factory=contextvars.copy_context)


class Keeper:
    """Renews every hold each ``interval_s`` seconds, and sooner after a failure."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._holds: set[Hold] = set()
        self._changed = threading.Condition()
        # Held while renewals run, so that ``drop`` returns only when none is under way: a renewal
        # after the message was released would make it invisible again.
        self._renewing = threading.Lock()
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
            self._changed.notify()
        return held

    def drop(self, held: Hold) -> None:
        """Stop keeping it; when this returns, no renewal of it is under way."""
        with self._changed:
            self._holds.discard(held)
        with self._renewing:
            pass

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            while self._wait_for_due():
                for held in self._due():
                    held.context.run(self._renew, held)
        except BaseException:  # noqa: BLE001 - the main thread sees ``alive`` turn False and stops
            _log.critical("thread.died", thread="keeper", exc_info=True)

    def _wait_for_due(self) -> bool:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                next_due = min((held.due for held in self._holds), default=now + 3600)
                if next_due <= now:
                    return True
                self._changed.wait(next_due - now)
            return False

    def _due(self) -> list[Hold]:
        now = time.monotonic()
        with self._changed:
            return [held for held in self._holds if held.due <= now]

    def _renew(self, held: Hold) -> None:
        with self._renewing:
            with self._changed:
                if held not in self._holds:
                    return
            started = time.monotonic()
            try:
                kept = all(renewal() for renewal in held.renewals)
            except WorkerError as error:
                _log.warning("lease.renewal_failed", hold=held.name, error_code=error.code)
                kept = started - held.last_success < held.give_up_after_s
                held.due = time.monotonic() + self._interval_s / 4
            else:
                _log.debug("lease.renewed", hold=held.name)
                held.last_success = started
                held.due = started + self._interval_s
        if not kept:
            with self._changed:
                self._holds.discard(held)
            held.on_lost()
