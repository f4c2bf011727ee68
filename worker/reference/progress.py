"""How far a long command is: events in a log; bars on a terminal are in ``terminal``."""

from __future__ import annotations

import time
from typing import Protocol

from worker.logs import logger

_LOG_INTERVAL_S = 10.0


class Progress(Protocol):
    """Told what a command is doing; ``subject`` is a layer."""

    def started(self, subject: str, total: int) -> None:
        """Work on ``subject`` begins: ``total`` rows, as far as is known."""

    def advanced(self, subject: str, rows: int) -> None:
        """``rows`` more rows of ``subject`` are done."""

    def step(self, subject: str, name: str) -> None:
        """All rows are read; ``name`` is what happens to them now ("index", "check")."""

    def finished(self, subject: str) -> None:
        """Nothing is left to do for ``subject``."""


class Silent:
    """Reports nothing."""

    def started(self, subject: str, total: int) -> None:
        pass

    def advanced(self, subject: str, rows: int) -> None:
        pass

    def step(self, subject: str, name: str) -> None:
        pass

    def finished(self, subject: str) -> None:
        pass


class LogProgress:
    """Log events ``reference.progress``: each step, and a line every ten seconds."""

    def __init__(self) -> None:
        self._log = logger(__name__)
        self._done = 0
        self._total = 0
        self._last = 0.0

    def started(self, subject: str, total: int) -> None:
        self._done, self._total, self._last = 0, total, time.monotonic()
        self._log.info("reference.progress", layer=subject, step="read", rows=0, total=total)

    def advanced(self, subject: str, rows: int) -> None:
        self._done += rows
        now = time.monotonic()
        if now - self._last >= _LOG_INTERVAL_S:
            self._last = now
            self._log.info(
                "reference.progress", layer=subject, step="read", rows=self._done, total=self._total
            )

    def step(self, subject: str, name: str) -> None:
        self._log.info("reference.progress", layer=subject, step=name)

    def finished(self, subject: str) -> None:
        self._log.info("reference.progress", layer=subject, step="done", rows=self._done)
