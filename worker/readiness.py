"""Whether to poll at all: receives are a budget, so we take no message that we can't work on.

Before each poll the database and the reference data are probed. A configuration fault of the
other side (a refused key, an access policy) closes the gate until its own probe succeeds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from worker.errors import WorkerError
from worker.logs import logger

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Probe:
    """A cheap question to a dependency: raises a WorkerError while the answer is no."""

    name: str
    ask: Callable[[], None]


class Gate:
    """Open while every probe succeeds and no fault is pending.

    ``fault_probe`` asks again after a configuration fault, each ``pause_s`` seconds; it raises as
    long as we are still refused.
    """

    def __init__(
        self,
        probes: tuple[Probe, ...],
        fault_probe: Callable[[WorkerError], None],
        *,
        pause_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probes = probes
        self._fault_probe = fault_probe
        self._pause_s = pause_s
        self._clock = clock
        self._fault: WorkerError | None = None
        self._ask_again_at = 0.0
        self._closed_by: str | None = None

    def close(self, fault: WorkerError) -> None:
        """Stop polling because of ``fault``; raises the operators' alarm through the log."""
        if self._fault is None:
            _log.error("polling.paused", error_code=fault.code, error_detail=fault.detail)
        self._fault = fault
        self._ask_again_at = self._clock() + self._pause_s

    @property
    def faulty(self) -> bool:
        """Whether a configuration fault keeps the gate closed."""
        return self._fault is not None

    def is_open(self) -> bool:
        """Ask every probe; logs only when the answer changes."""
        return self._fault_is_over() and self._dependencies_are_up()

    def _fault_is_over(self) -> bool:
        if self._fault is None:
            return True
        if self._clock() < self._ask_again_at:
            return False
        try:
            self._fault_probe(self._fault)
        except WorkerError as fault:
            self.close(fault)
            return False
        _log.info("polling.resumed", error_code=self._fault.code)
        self._fault = None
        return True

    def _dependencies_are_up(self) -> bool:
        for probe in self._probes:
            try:
                probe.ask()
            except WorkerError as error:
                if self._closed_by != error.code:
                    _log.error(
                        "dependency.down",
                        dependency=probe.name,
                        error_code=error.code,
                        error_sentence=error.sentence,
                        error_detail=error.detail,
                    )
                self._closed_by = error.code
                return False
        if self._closed_by is not None:
            _log.info("dependency.up", error_code=self._closed_by)
            self._closed_by = None
        return True
