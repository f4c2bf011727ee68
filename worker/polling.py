"""Asks the queue for messages, and waits out a queue that cannot be asked."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Protocol

from worker.errors import ConfigurationFault, TransientError, WorkerError
from worker.logs import logger
from worker.progress import Phase, Progress
from worker.queue.sqs import Message
from worker.settings import Settings
from worker.shutdown import StopSignal

_log = logger(__name__)

_MAX_POLL_BACKOFF_S = 30.0
# A queue that is missing or denied is not waited for longer than this before /health says so.
_QUEUE_FAULT_LIMIT_S = 300.0


class Receives(Protocol):
    """Where messages come from; see ``worker.queue.sqs.SqsQueue``."""

    def receive(
        self, *, max_messages: int, wait_s: int, visibility_s: int
    ) -> tuple[Message, ...]: ...


class Poller:
    """Polls a queue and tells the health process what may be expected of it meanwhile."""

    def __init__(
        self,
        settings: Settings,
        queue: Receives,
        stop: StopSignal,
        *,
        report: Callable[[Progress], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._queue = queue
        self._stop = stop
        self._report = report
        self._clock = clock
        self._failures = 0
        self._failing_since = 0.0

    @property
    def failing(self) -> bool:
        """Whether the last poll has failed."""
        return self._failures > 0

    def receive(self, most: int) -> tuple[Message, ...]:
        """What the next poll brings, ``most`` messages at the most; none after one that fails."""
        queue, health = self._settings.queue, self._settings.health
        wait_s = queue.sqs_wait_time_seconds
        if not self.failing:
            self._report(Progress(Phase.POLLING, wait_s + health.health_poll_margin_seconds))
        try:
            messages = self._queue.receive(
                max_messages=most, wait_s=wait_s, visibility_s=queue.sqs_visibility_timeout
            )
        except (TransientError, ConfigurationFault) as error:
            self._wait_out(error)
            return ()
        if self.failing:
            _log.info("queue.reachable", failures=self._failures)
            self._failures = 0
        _log.debug("queue.polled", messages=len(messages))
        self._report(Progress(Phase.WAITING, health.health_idle_limit_seconds, polled=True))
        return messages

    def _wait_out(self, error: WorkerError) -> None:
        if not self.failing:
            self._failing_since = self._clock()
        self._failures += 1
        wait_s = min(2.0 ** min(self._failures, 8), _MAX_POLL_BACKOFF_S)
        wait_s *= random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, protects nothing
        _log.error(
            "queue.unreachable",
            error_code=error.code,
            error_detail=error.detail,
            failures=self._failures,
            wait_s=round(wait_s, 1),
        )
        # What is left of it each time: a wait for the database in between has a limit of its own.
        left_s = self._failing_since + _QUEUE_FAULT_LIMIT_S - self._clock()
        self._report(Progress(Phase.WAITING, max(left_s, 0.0)))
        self._stop.wait(wait_s)
