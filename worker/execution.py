"""Work on one message, kept alive: compute under a lease, deliver under a visibility timeout.

Both run in a thread under supervision, while the keeper renews what the worker holds. Errors are
raised to the runner, which turns them into a verdict.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from worker.jobs.context import Interruption, JobContext, StopReason
from worker.jobs.courier import Courier, Round
from worker.jobs.registry import Job, JobOutput
from worker.jobs.supervision import supervise
from worker.ledger.ledger import Ledger
from worker.ledger.models import Claim
from worker.progress import Phase, Progress
from worker.queue.keeper import Keeper
from worker.queue.sqs import Message
from worker.reference.versions import ReferenceVersions
from worker.settings import MAX_HOLD_S, Settings
from worker.shutdown import StopSignal


class Execution:
    """Runs a claimed job, and the deliveries of a finished one."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        courier: Courier,
        keeper: Keeper,
        stop: StopSignal,
        *,
        renew_visibility: Callable[[Message, int], None],
        report: Callable[[Progress], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._courier = courier
        self._keeper = keeper
        self._stop = stop
        self._renew_visibility = renew_visibility
        self._report = report
        self._clock = clock

    def compute(
        self, message: Message, job: Job, claim: Claim, versions: ReferenceVersions
    ) -> JobOutput:
        """Run the job while lease and visibility are renewed; raises what the job raises.

        Stopped when it is told to stop, Abandoned if it does not.
        """
        worker = self._settings.worker
        limit_s = worker.time_limit_s(job.type)
        health_limit_s = limit_s + self._settings.health.health_job_margin_seconds
        working = Progress(Phase.WORKING, health_limit_s, job=job.key, job_type=job.type)
        self._report(working)
        interruption = Interruption()
        # The lease first: visibility then ends after it, so that nobody finds the job busy.
        held = self._keeper.hold(
            job.key,
            (
                self._lease_renewal(claim, interruption),
                self._visibility_renewal(message, interruption),
            ),
            give_up_after_s=worker.worker_lease_seconds * 2 / 3,
            on_lost=lambda: interruption.interrupt(StopReason.NOT_RENEWED),
        )

        def work() -> JobOutput:
            self._announce(job, claim, interruption)
            # The notice was a delivery, whose limit is shorter than a job's.
            self._report(working)
            return job.run(JobContext(job.key, versions, interruption))

        try:
            return supervise(work, interruption, limit_s=limit_s, stop=self._stop)
        finally:
            self._keeper.drop(held)

    def deliver(self, message: Message, job_id: int) -> Round:
        """Make the pending deliveries of a finished job while its message stays invisible.

        Stopped or Abandoned when a stop leaves no time for them.
        """
        interruption = Interruption()
        held = self._keeper.hold(
            message.message_id,
            (self._visibility_renewal(message, interruption),),
            give_up_after_s=self._settings.queue.sqs_visibility_timeout,
            on_lost=lambda: None,
        )
        try:
            return self._supervised(
                lambda go_on: self._courier.deliver_job(job_id, go_on), interruption
            )
        finally:
            self._keeper.drop(held)

    def sweep(self, *, refused_as: str | None = None) -> Round:
        """``Courier.sweep``; raises as ``deliver`` does.

        A stop ends it before the next delivery: what is due is as safe with another worker.
        """
        interruption = Interruption()

        def work(checkpoint: Callable[[], None]) -> Round:
            def go_on() -> None:
                if self._stop.requested:
                    interruption.interrupt(StopReason.STOP_REQUESTED)
                checkpoint()

            return self._courier.sweep(go_on, refused_as=refused_as)

        return self._supervised(work, interruption)

    def _supervised(
        self, work: Callable[[Callable[[], None]], Round], interruption: Interruption
    ) -> Round:
        """A round of deliveries in a thread, so that a stop never waits for the other side."""
        return supervise(
            lambda: work(interruption.checkpoint),
            interruption,
            limit_s=self._settings.worker.worker_job_timeout_seconds,
            stop=self._stop,
        )

    def _announce(self, job: Job, claim: Claim, interruption: Interruption) -> None:
        notices = job.started()
        if notices:
            self._ledger.announce(claim, notices)
            self._courier.deliver_job(claim.job.id, interruption.checkpoint)

    def _lease_renewal(self, claim: Claim, interruption: Interruption) -> Callable[[], bool]:
        """Renews until somebody else has closed the attempt."""

        def renew() -> bool:
            if self._ledger.renew(claim, lease_s=self._settings.worker.worker_lease_seconds):
                return True
            interruption.interrupt(StopReason.LEASE_LOST)
            return False

        return renew

    def _visibility_renewal(
        self, message: Message, interruption: Interruption
    ) -> Callable[[], bool]:
        """Renews until SQS is about to hand the message to somebody else, whatever we ask for."""

        def renew() -> bool:
            if self._clock() - message.received_monotonic >= MAX_HOLD_S:
                interruption.interrupt(StopReason.HELD_TOO_LONG)
                return False
            self._renew_visibility(message, self._settings.queue.sqs_visibility_timeout)
            return True

        return renew
