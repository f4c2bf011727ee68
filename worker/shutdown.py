"""Stopping on a signal: the handler only sets a flag and wakes whoever waits for it.

An exception raised inside a long poll would be swallowed by botocore and could lose the message
that the poll brings. A second signal kills, because the handler uninstalls itself.
"""

from __future__ import annotations

import queue
import signal
import time
from contextlib import suppress
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Kept back of the grace period for giving the job and its messages back.
_RESERVE_S = 2.0


class StopSignal:
    """Whether to stop, and until when a running job may go on."""

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._deadline: float | None = None
        # Its put may interrupt its get in the same thread, as the handler does. An Event would
        # wait for a lock that the interrupted thread holds.
        self._woken: queue.SimpleQueue[None] = queue.SimpleQueue()

    def install(self) -> None:
        """Take SIGTERM and SIGINT; only the main thread may call this."""
        for number in _SIGNALS:
            signal.signal(number, self._handle)

    def request(self) -> None:
        """Ask to stop, as a signal does."""
        if self._deadline is None:
            reserve = min(_RESERVE_S, self._grace_s / 2)
            self._deadline = time.monotonic() + self._grace_s - reserve
        self._woken.put(None)

    @property
    def requested(self) -> bool:
        return self._deadline is not None

    @property
    def job_must_stop(self) -> bool:
        """True once a running job no longer fits into the grace period."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until a stop is asked for; True if it is.

        One thread at a time may wait.
        """
        if not self.requested:
            with suppress(queue.Empty):
                self._woken.get(timeout=max(seconds, 0.0))
        return self.requested

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        for handled in _SIGNALS:
            signal.signal(handled, signal.SIG_DFL)
        self.request()
