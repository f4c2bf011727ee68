"""Stopping on a signal: the handler only sets a flag.

An exception raised inside a long poll would be swallowed by botocore and could lose the message
that the poll brings. A second signal kills, because the handler uninstalls itself.
"""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# Kept back of the grace period for giving the job and its messages back.
_RESERVE_S = 2.0


class StopSignal:
    """Whether to stop, and until when a running job may go on."""

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._event = threading.Event()
        self._deadline: float | None = None

    def install(self) -> None:
        """Take SIGTERM and SIGINT; only the main thread may call this."""
        for number in _SIGNALS:
            signal.signal(number, self._handle)

    def request(self) -> None:
        """Ask to stop, as a signal does."""
        if self._deadline is None:
            reserve = min(_RESERVE_S, self._grace_s / 2)
            self._deadline = time.monotonic() + self._grace_s - reserve
        self._event.set()

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    @property
    def job_must_stop(self) -> bool:
        """True once a running job no longer fits into the grace period."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until a stop is asked for; True if it is."""
        return self._event.wait(seconds)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        for handled in _SIGNALS:
            signal.signal(handled, signal.SIG_DFL)
        self.request()
