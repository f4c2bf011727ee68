"""Whether to poll at all: receives are a budget, so we take no message that we can't work on.

Before each poll the database and the reference data are probed. A configuration fault of the
other side (a refused key, an access policy) closes the gate until its own probe succeeds, whatever
else goes wrong meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from worker.errors import ConfigurationFault, WorkerError
from worker.logs import logger

_log = logger(__name__)

# The probe whose success says that the ledger can be written.
DATABASE = "database"


@dataclass(frozen=True, slots=True)
class Probe:
    """A cheap question to a dependency: raises a WorkerError while the answer is no."""

    name: str
    ask: Callable[[], None]


class Gate:
    """Open while every probe succeeds and no fault is pending.

    ``fault_probe`` asks again after a configuration fault, each ``pause_s`` seconds; it raises as
    long as we are still refused, or another fault that it meets, or what keeps it from asking.
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
        # By code: the other sides that refuse us, each asked about until it takes us again.
        self._faults: dict[str, WorkerError] = {}
        self._ask_again_at = 0.0
        self._closed_by: str | None = None
        self._shut_by: str | None = None

    def close(self, fault: WorkerError) -> None:
        """Stop polling because of ``fault``; raises the operators' alarm through the log."""
        if fault.code not in self._faults:
            _log.error("polling.paused", error_code=fault.code, error_detail=fault.detail)
        self._faults[fault.code] = fault
        self._ask_again_at = self._clock() + self._pause_s

    @property
    def faulty(self) -> bool:
        """Whether a configuration fault keeps the gate closed."""
        return bool(self._faults)

    def is_shut_by(self, probe: str) -> bool:
        """Whether the dependencies were not up when they were asked last, because of this one."""
        return self._shut_by == probe

    def is_open(self) -> bool:
        """Ask every probe; logs only when the answer changes."""
        return self._faults_are_over() and self._dependencies_are_up()

    def _faults_are_over(self) -> bool:
        if not self._faults:
            return True
        if self._clock() < self._ask_again_at:
            return False
        for fault in tuple(self._faults.values()):
            if not self._is_over(fault):
                return False
            del self._faults[fault.code]
            if not self._faults:
                _log.info("polling.resumed", error_code=fault.code)
        return True

    def _is_over(self, fault: WorkerError) -> bool:
        try:
            self._fault_probe(fault)
        except ConfigurationFault as refusal:
            self.close(refusal)
        except WorkerError as error:
            # No answer, the database being away say: we know no more about the fault than before.
            _log.error("dependency.down", error_code=error.code, error_detail=error.detail)
            self._ask_again_at = self._clock() + self._pause_s
        else:
            return True
        return False

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
                self._shut_by = probe.name
                return False
        if self._closed_by is not None:
            _log.info("dependency.up", error_code=self._closed_by)
            self._closed_by = self._shut_by = None
        return True
