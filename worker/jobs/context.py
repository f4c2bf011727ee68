"""What a running job is given: how to learn that it has to stop, and the versions it pinned."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from worker.errors import Interrupted
from worker.logs import logger
from worker.reference.versions import ReferenceVersions

_log = logger(__name__)


class StopReason(StrEnum):
    """Why a running job is told to stop before it has finished."""

    LEASE_LOST = "lease_lost"
    NOT_RENEWED = "lease_not_renewed"
    STOP_REQUESTED = "stop_requested"
    TIMED_OUT = "job_timed_out"
    HELD_TOO_LONG = "message_held_too_long"


class Stopped(Interrupted):
    """The work was told to stop, by whoever supervises it."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason.value, "The job was told to stop.")
        self.reason = reason


class Interruption:
    """Told once by whoever supervises the job; asked, and acted upon, by the job."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reason: StopReason | None = None
        self._aborts: list[Callable[[], None]] = []

    @property
    def reason(self) -> StopReason | None:
        return self._reason

    def interrupt(self, reason: StopReason) -> None:
        """Tell the job to stop; the first reason stays. Aborts what it is waiting for.

        Raises nothing: an abort that fails keeps neither the others nor the caller from going on.
        """
        if self.reason is not None:
            return
        # Held while aborts run: what they abort may belong to somebody else after its block.
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason
            for abort in self._aborts:
                try:
                    abort()
                except Exception:  # noqa: BLE001 - the job is told all the same
                    _log.warning("abort.failed", exc_info=True)

    def checkpoint(self) -> None:
        """Raise Stopped if the job has been told to stop; cheap enough for inner loops."""
        if self._reason is not None:
            raise Stopped(self._reason)

    def pause(self, seconds: float) -> None:
        """Do nothing for that long; raises Stopped as soon as the job is told to stop."""
        told = threading.Event()
        with self.abortable(told.set):
            told.wait(seconds)

    @contextmanager
    def abortable(self, abort: Callable[[], None]) -> Iterator[None]:
        """While the block runs, an interruption calls ``abort`` (from another thread).

        It must not block: whoever interrupts has a deadline of its own.
        """
        with self._lock:
            # Told between the two, nobody would call it.
            self.checkpoint()
            self._aborts.append(abort)
        try:
            yield
        finally:
            with self._lock:
                self._aborts.remove(abort)
        self.checkpoint()


class JobContext:
    """One attempt at a job, as the job sees it."""

    def __init__(self, key: str, versions: ReferenceVersions, interruption: Interruption) -> None:
        self.key = key
        self.versions = versions
        self.interruption = interruption
