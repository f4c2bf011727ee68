"""What a running job is given: how to learn that it has to stop, and the versions it pinned."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from worker.errors import Interrupted
from worker.reference.versions import ReferenceVersions


class StopReason(StrEnum):
    """Why a running job is told to stop before it has finished."""

    LEASE_LOST = "lease_lost"
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
        """Tell the job to stop; the first reason stays. Aborts what it is waiting for."""
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason
            aborts = tuple(self._aborts)
        for abort in aborts:
            abort()

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
        """While the block runs, an interruption calls ``abort`` (from another thread)."""
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
