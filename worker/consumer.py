"""The poll loop: receive, hand to the runner, settle the message, stop. Knows no job.

One pass of the loop is one poll. What is received is kept invisible until it is settled; at a
stop, whatever has not been started is released at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from worker.clients.ecs import TaskProtection
from worker.errors import (
    EX_OK,
    EX_SOFTWARE,
    EX_TEMPFAIL,
    TransientError,
)
from worker.jobs.context import Interruption, Stopped
from worker.jobs.courier import Round
from worker.jobs.supervision import Abandoned, supervise
from worker.logs import correlated, logger
from worker.memory import peak_mb
from worker.polling import Poller, Receives
from worker.progress import Phase, Progress
from worker.queue.envelope import correlation_of
from worker.queue.keeper import Hold, Keeper
from worker.queue.sqs import Message
from worker.readiness import DATABASE, Gate
from worker.settings import MAX_HOLD_S, Settings
from worker.settlement import Settlement, Settles
from worker.shutdown import StopSignal
from worker.verdicts import KEEP, RELEASE_AT_ONCE, Action, Verdict

_log = logger(__name__)

_DEPENDENCY_WAIT_S = 30
# How often closed gates are asked again.
_DEPENDENCY_POLL_S = 2.0
# What a worker that ends has for the ends of attempts that it could not write before.
_LAST_WRITE_S = 10.0


class Handles(Protocol):
    """What a message is handed to; see ``worker.runner.Runner``."""

    def handle(self, message: Message) -> Verdict: ...

    def write_left(self) -> None: ...

    def deliver_overdue(self) -> Round: ...


class MessageQueue(Receives, Settles, Protocol):
    """Where messages come from and are settled; see ``worker.queue.sqs.SqsQueue``."""


@dataclass(frozen=True, slots=True)
class Idle:
    """What has been going on since the last message: polls that brought none, and seconds."""

    empty_polls: int
    seconds: float


class Consumer:
    """Polls until it is told to stop or something that it cannot do without is gone."""

    def __init__(
        self,
        settings: Settings,
        queue: MessageQueue,
        runner: Handles,
        keeper: Keeper,
        gate: Gate,
        protection: TaskProtection,
        stop: StopSignal,
        *,
        report: Callable[[Progress], None],
        health_alive: Callable[[], bool],
        renew_visibility: Callable[[Message, int], None],
        housekeeping: Callable[[], None],
        measure: Callable[[], None] = lambda: None,
        strands_after: int | None = None,
        enough: Callable[[Idle], bool] = lambda _: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._poller = Poller(settings, queue, stop, report=report, clock=clock)
        self._settlement = Settlement(queue, strands_after=strands_after)
        self._runner = runner
        self._keeper = keeper
        self._gate = gate
        self._protection = protection
        self._stop = stop
        self._report = report
        self._health_alive = health_alive
        self._renew_visibility = renew_visibility
        self._housekeeping = housekeeping
        self._measure = measure
        self._enough = enough
        self._clock = clock
        self._empty_polls = 0
        self._idle_since = clock()
        self._idle_limit_s = settings.health.health_idle_limit_seconds
        self._jobs = 0
        self._wedged = False
        self._polling = False
        self._housekeeping_at = 0.0
        self._measure_at = 0.0

    def run(self) -> int:
        """The loop; returns the process's exit code."""
        try:
            return self._loop()
        finally:
            self._write_what_is_left()
            self._protection.off()

    def _loop(self) -> int:
        while True:
            code = self._reason_to_end()
            if code is not None:
                return code
            if not self._gate.is_open():
                self._wait_for_dependencies()
                continue
            if not self._polling:
                self._polling = True
                _log.info("worker.polling")
            self._runner.write_left()
            self._take_stock()
            self._poll()
            if self._wedged:
                _log.critical("worker.stopping", reason="work_abandoned")
                return EX_OK if self._stop.requested else EX_SOFTWARE

    def _reason_to_end(self) -> int | None:
        if self._stop.requested:
            _log.info("worker.stopping", reason="signal")
            return EX_OK
        if not self._keeper.alive:
            _log.critical("worker.stopping", reason="keeper_dead")
            return EX_SOFTWARE
        if not self._health_alive():
            _log.error("worker.stopping", reason="health_process_lost")
            return EX_TEMPFAIL
        if self._too_large():
            limit_mb = self._settings.worker.worker_max_rss_mb
            _log.warning("memory.recycle", rss_mb=round(peak_mb()), limit_mb=limit_mb)
            return EX_TEMPFAIL
        if self._enough_jobs():
            _log.info("worker.stopping", reason="job_limit", jobs=self._jobs)
            return EX_TEMPFAIL
        if self._enough(Idle(self._empty_polls, self._clock() - self._idle_since)):
            _log.info("worker.stopping", reason="idle", jobs=self._jobs)
            return EX_OK
        return None

    def _too_large(self) -> bool:
        limit_mb = self._settings.worker.worker_max_rss_mb
        # After a job only: where an idle worker is above the limit already, none would ever run.
        return limit_mb is not None and self._jobs > 0 and peak_mb() > limit_mb

    def _enough_jobs(self) -> bool:
        most = self._settings.worker.worker_max_jobs
        return most is not None and self._jobs >= most

    def _room(self) -> int:
        """How many messages the next poll may bring: what is not tried costs a receive, too."""
        most, batch = self._settings.worker.worker_max_jobs, self._settings.queue.sqs_max_messages
        return batch if most is None else min(batch, most - self._jobs)

    def _poll(self) -> None:
        messages = self._poller.receive(self._room())
        if not messages:
            self._protection.off()
            if not self._poller.failing:
                self._empty_polls += 1
                self._when_idle()
            return
        # A standard queue may hand a message out twice, in one batch too.
        held = [(message, self._hold(message)) for message in messages]
        down, settled = False, True
        for message, hold in held:
            if self._stop.requested and not settled:
                # Each further call could take as long, and the grace period passes.
                with correlated(correlation_of(message)):
                    self._settlement.settle(message, KEEP)
                continue
            if not down and not self._ends():
                # Its lease would pass while the batch goes on.
                self._runner.write_left()
            self._keeper.drop(hold)
            with correlated(correlation_of(message)):
                verdict = self._unstarted(message, down=down)
                if verdict is None:
                    verdict, down = self._process(message)
                settled = self._settlement.settle(message, verdict)
        self._empty_polls = 0
        self._idle_since = self._clock()

    def _unstarted(self, message: Message, *, down: bool) -> Verdict | None:
        """What becomes of a message that should not be started now; None if it should.

        ``down``: the database has just not answered for the message before.
        """
        if self._ends() or self._held_too_long(message):
            return RELEASE_AT_ONCE
        if self._gate.faulty:
            # At once would hand it to a worker that has not met the fault yet, and then to the
            # next: its receives would be spent within seconds.
            return Verdict(Action.RELEASE, self._settings.worker.worker_configuration_pause_seconds)
        return Verdict(Action.RELEASE, _DEPENDENCY_WAIT_S) if down else None

    def _ends(self) -> bool:
        """Whether the loop comes to its end before the next poll, and says why then."""
        return (
            self._stop.requested
            or self._wedged
            or not self._keeper.alive
            or not self._health_alive()
            or self._too_large()
            or self._enough_jobs()
        )

    def _held_too_long(self, message: Message) -> bool:
        return self._clock() - message.received_monotonic >= MAX_HOLD_S

    def _process(self, message: Message) -> tuple[Verdict, bool]:
        """Have it handled; with True if the database does not let us decide anything."""
        self._protection.on()
        down = False
        try:
            verdict = self._runner.handle(message)
        except TransientError as error:
            _log.error("dependency.down", error_code=error.code, error_detail=error.detail)
            verdict, down = Verdict(Action.RELEASE, _DEPENDENCY_WAIT_S), True
        self._jobs += 1
        self._wedged = self._wedged or verdict.wedged
        if verdict.fault is not None:
            self._gate.close(verdict.fault)
        return verdict, down

    def _take_stock(self) -> None:
        """Measure what the ledger holds, as often as an idle worker sweeps."""
        if time.monotonic() < self._measure_at:
            return
        self._measure_at = time.monotonic() + self._settings.worker.worker_sweep_interval_seconds
        try:
            self._measure()
        except TransientError as error:
            # A database that is away is told by its own probe.
            _log.warning(
                "metrics.failed",
                observed="ledger.measured",
                error_code=error.code,
                error_detail=error.detail,
            )

    def _when_idle(self) -> None:
        if self._stop.requested or time.monotonic() < self._housekeeping_at:
            return
        self._housekeeping_at = (
            time.monotonic() + self._settings.worker.worker_sweep_interval_seconds
        )
        try:
            # First, since it may leave notices to deliver.
            self._keep_house()
            swept = self._runner.deliver_overdue()
        except TransientError as error:
            _log.error("dependency.down", error_code=error.code, error_detail=error.detail)
            return
        if swept.fault is not None:
            self._gate.close(swept.fault)

    def _keep_house(self) -> None:
        try:
            self._housekeeping()
        except TransientError:
            raise
        except Exception:  # noqa: BLE001 - nobody's job: deliveries and polls go on without it
            _log.exception("housekeeping.crashed")

    def _wait_for_dependencies(self) -> None:
        self._protection.off()
        _log.debug("polling.waiting", configuration_fault=self._gate.faulty)
        if not self._gate.is_shut_by(DATABASE):
            # It answers, and what is not delivered grows old meanwhile.
            self._runner.write_left()
            self._take_stock()
        self._report(Progress(Phase.WAITING, self._idle_limit_s))
        self._stop.wait(_DEPENDENCY_POLL_S)

    def _write_what_is_left(self) -> None:
        """A last try, which a database that is silent must not make last: the process ends."""
        with suppress(Abandoned, Stopped):
            supervise(
                self._runner.write_left, Interruption(), limit_s=_LAST_WRITE_S, stop=self._stop
            )

    def _hold(self, message: Message) -> Hold:
        def renew() -> bool:
            if self._held_too_long(message):
                return False
            self._renew_visibility(message, self._settings.queue.sqs_visibility_timeout)
            return True

        return self._keeper.hold(
            message.message_id,
            (renew,),
            give_up_after_s=self._settings.queue.sqs_visibility_timeout,
            on_lost=lambda: None,
        )
