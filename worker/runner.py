"""One message: read, claim, run, store, deliver; and the verdict: delete, release or keep.

Read ``handle`` from top to bottom to see what becomes of a message. Nothing here touches SQS but
the renewal of visibility while the job runs: the consumer carries the verdict out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from worker import failures
from worker.attempts import Attempts
from worker.errors import (
    ConfigurationFault,
    DependencyDown,
    MessageError,
    PayloadMismatch,
    PermanentError,
    TransientError,
    WorkerError,
)
from worker.execution import Execution
from worker.jobs.context import Stopped, StopReason
from worker.jobs.courier import Round, backoff_s
from worker.jobs.registry import Job, Registry
from worker.jobs.stored import unreadable_job
from worker.jobs.supervision import Abandoned
from worker.ledger.ledger import Connect, LeaseLost, Ledger
from worker.ledger.models import (
    Busy,
    Claim,
    ClaimAnswer,
    Finished,
    JobStatus,
    Mismatch,
    NewDelivery,
    NewJob,
    Poisoned,
)
from worker.logs import about, adopt_correlation_id, logger
from worker.queue.envelope import open_envelope
from worker.queue.sqs import Message
from worker.reference.versions import ReferenceVersions, active_versions
from worker.settings import VISIBILITY_MARGIN_S, Settings
from worker.verdicts import DELETE, FAILED, KEEP, Action, Verdict

_log = logger(__name__)

# A job that another dependency keeps from starting costs a receive; wait before the next.
_DEPENDENCY_WAIT_S = 30.0


class Runner:
    """Takes one message from its receipt to its verdict.

    ``max_receives``: how often SQS hands a message out before it moves it to the dead-letter
    queue; None where there is no redrive policy. ``unreadable``: the notices for a message that
    is not a job.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        connect: Connect,
        ledger: Ledger,
        execution: Execution,
        *,
        worker_id: str,
        max_receives: int | None,
        unreadable: Callable[[str, WorkerError], tuple[NewDelivery, ...]],
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._connect = connect
        self._ledger = ledger
        self._attempts = Attempts(ledger, lease_s=settings.worker.worker_lease_seconds)
        self._execution = execution
        self._worker_id = worker_id
        self._max_receives = max_receives
        self._unreadable = unreadable
        self._claimed_at = 0.0

    def handle(self, message: Message) -> Verdict:
        """Do everything that this message asks for and say what becomes of it.

        Raises TransientError when the database does not let us decide anything.
        """
        try:
            verdict = self._decide(message)
        except TransientError:
            raise
        except Exception:  # noqa: BLE001 - the runner's edge: one message never ends the loop
            _log.exception("message.crashed", message_id=message.message_id)
            return self._backoff(message)
        if verdict.failed and self._max_receives is None:
            # Nothing moves it away: released at once, it would come back without any pause.
            return replace(verdict, delay_s=max(verdict.delay_s, self._backoff(message).delay_s))
        return verdict

    def _decide(self, message: Message) -> Verdict:
        try:
            job, new = self._read(message)
        except MessageError as error:
            return self._refuse(message, error, "message.invalid")
        versions, missing, answer = self._claim(job, new)
        match answer:
            case Claim() if missing:
                return self._try_again(message, job, answer, failures.not_loaded(missing))
            case Claim():
                return self._work(message, job, answer, versions)
            case Poisoned(claim, code):
                return self._refuse_poisoned(message, job, claim, code)
            case Busy(remaining_s):
                _log.info("job.busy", lease_remaining_s=round(remaining_s, 1))
                return Verdict(Action.RELEASE, remaining_s + VISIBILITY_MARGIN_S)
            case Finished():
                return self._repeat(message, new, answer)
            case Mismatch():
                mismatch = PayloadMismatch(
                    "payload_mismatch", "A job with this id exists and asks for something else."
                )
                return self._refuse(message, mismatch, "job.payload_mismatch")

    def write_left(self) -> None:
        """Write the ends of attempts that the database did not take; raises nothing."""
        self._attempts.write_left()

    def deliver_overdue(self, *, refused_as: str | None = None) -> Round:
        """Make deliveries that an earlier try or a crash has left over; see ``Courier.sweep``.

        Raises TransientError when the database does not let us.
        """
        try:
            return self._execution.sweep(refused_as=refused_as)
        except (Abandoned, Stopped) as error:
            _log.warning("delivery.interrupted", error_code=error.code)
        except TransientError:
            raise
        except Exception:  # noqa: BLE001 - the runner's edge: one delivery never ends the loop
            _log.exception("sweep.crashed")
        return Round()

    def _read(self, message: Message) -> tuple[Job, NewJob]:
        envelope = open_envelope(
            message,
            max_body_bytes=self._settings.queue.sqs_max_body_bytes,
            # At once, so that a message that turns out to be no job is found by its id too.
            learned=adopt_correlation_id,
        )
        _log.info(
            "message.received",
            message_id=message.message_id,
            receive_count=message.receive_count,
            job_type=envelope.job_type,
            shape=envelope.shape,
            correlation_generated=envelope.correlation_generated,
        )
        job_type = self._registry.find(envelope.job_type)
        if job_type is None:
            raise MessageError("job_type_unknown", "This worker does not run this type of job.")
        job = job_type.accept(envelope)
        about(job_id=job.key, job_type=job.type)
        return (
            job,
            NewJob(
                key=job.key,
                type=job.type,
                payload_hash=job.payload_hash,
                payload=job.payload,
                correlation_id=envelope.correlation_id,
                message_id=message.message_id,
                max_attempts=self._settings.worker.worker_max_attempts,
                asked_at=envelope.asked_at,
            ),
        )

    def _claim(
        self, job: Job, new: NewJob
    ) -> tuple[ReferenceVersions, tuple[str, ...], ClaimAnswer]:
        self._claimed_at = time.monotonic()
        # One transaction: the versions that are active at the claim are those of the job. A job
        # whose layers are not loaded is claimed all the same, so that it fails as others do.
        with self._connect() as connection:
            active = active_versions(connection)
            missing = tuple(layer for layer in job.layers if layer not in active.layers)
            pinned = active.pinned((), (*job.layers, *job.optional_layers))
            answer = self._ledger.claim(
                connection,
                new,
                worker_id=self._worker_id,
                lease_s=self._settings.worker.worker_lease_seconds,
                pinned={name: layer.version for name, layer in pinned.layers.items()},
            )
        claim = answer.claim if isinstance(answer, Poisoned) else answer
        if isinstance(claim, Claim):
            about(attempt=claim.attempt)
        return pinned, missing, answer

    def _work(
        self, message: Message, job: Job, claim: Claim, versions: ReferenceVersions
    ) -> Verdict:
        pinned = {name: layer.version for name, layer in versions.layers.items()}
        queued_s = message.queued_s(datetime.now(UTC))
        _log.info("job.claimed", queued_s=queued_s, reference_versions=pinned)
        try:
            output = self._execution.compute(message, job, claim, versions)
            self._ledger.succeed(claim, output.result, output.deliveries)
        except Abandoned as error:
            return replace(self._interrupted(message, job, claim, error.reason), wedged=True)
        except Stopped as error:
            return self._interrupted(message, job, claim, error.reason)
        except LeaseLost:
            return self._attempts.fenced(claim, duration_s=self._took_s())
        except PermanentError as error:
            return self._fail(message, job, claim, error)
        except ConfigurationFault as fault:
            paused = Verdict(Action.RELEASE, _DEPENDENCY_WAIT_S, fault=fault)
            return self._hand_back(claim, fault, paused)
        except DependencyDown as error:
            return self._hand_back(claim, error, Verdict(Action.RELEASE, _DEPENDENCY_WAIT_S))
        except TransientError as error:
            return self._try_again(message, job, claim, error)
        except Exception as error:  # noqa: BLE001 - the runner's edge: whatever a job raises
            _log.exception("job.crashed")
            unexpected = TransientError(
                "internal_error", "The worker failed unexpectedly.", detail=type(error).__name__
            )
            return self._try_again(message, job, claim, unexpected)
        _log.info("job.succeeded", duration_s=self._took_s(), reference_versions=pinned)
        return self._deliver(message, claim.job.id, DELETE)

    def _deliver(self, message: Message, job_id: int, delivered: Verdict) -> Verdict:
        """Make the job's deliveries; ``delivered`` is the verdict once none is pending."""
        try:
            done = self._execution.deliver(message, job_id)
        except (Abandoned, Stopped) as error:
            # The outcome is stored: the next receive, or a sweep, makes what is left.
            _log.warning("delivery.interrupted", error_code=error.code)
            again = replace(self._backoff(message), failed=delivered.failed)
            return replace(again, wedged=isinstance(error, Abandoned))
        failed = delivered.failed or done.rejected is not None
        if done.pending:
            again = self._backoff(message, at_least_s=done.wait_s)
            return replace(again, fault=done.fault, failed=failed)
        return FAILED if failed else delivered

    def _repeat(self, message: Message, new: NewJob, finished: Finished) -> Verdict:
        _log.info("job.duplicate", status=finished.status, error_code=finished.error_code)
        match finished.status:
            case JobStatus.CANCELLED:
                return DELETE
            case JobStatus.SUCCEEDED:
                return self._deliver(message, finished.job_id, DELETE)
            case _:
                return self._deliver(message, finished.job_id, FAILED)

    def _refuse(self, message: Message, error: MessageError, event: str) -> Verdict:
        _log.error(
            event,
            message_id=message.message_id,
            receive_count=message.receive_count,
            error_code=error.code,
            error_sentence=error.sentence,
            error_detail=error.detail,
        )
        job_id = self._ledger.record_invalid(
            unreadable_job(message), error, self._unreadable(message.message_id, error)
        )
        return self._deliver(message, job_id, FAILED)

    def _refuse_poisoned(self, message: Message, job: Job, claim: Claim, code: str) -> Verdict:
        _log.error("job.poison", error_code=code)
        return self._fail(message, job, claim, failures.poisoned(code))

    def _fail(self, message: Message, job: Job, claim: Claim, error: PermanentError) -> Verdict:
        unwritten = self._attempts.fail(claim, error, job.failed(error), duration_s=self._took_s())
        return unwritten or self._deliver(message, claim.job.id, FAILED)

    def _try_again(
        self, message: Message, job: Job, claim: Claim, error: TransientError
    ) -> Verdict:
        if self._is_last_chance(message, claim):
            return self._fail(message, job, claim, failures.exhausted(error))
        unwritten = self._attempts.retry_later(claim, error, duration_s=self._took_s())
        return unwritten or self._backoff(message, at_least_s=error.retry_after_s or 0.0)

    def _hand_back(self, claim: Claim, error: WorkerError, verdict: Verdict) -> Verdict:
        unwritten = self._attempts.hand_back(claim, error, duration_s=self._took_s())
        return unwritten or verdict

    def _interrupted(self, message: Message, job: Job, claim: Claim, reason: StopReason) -> Verdict:
        _log.warning("job.interrupted", reason=reason)
        match reason:
            case StopReason.STOP_REQUESTED | StopReason.HELD_TOO_LONG:
                return self._hand_back(claim, failures.INTERRUPTED[reason], Verdict(Action.RELEASE))
            case StopReason.NOT_RENEWED:
                return self._hand_back(claim, failures.INTERRUPTED[reason], KEEP)
            case StopReason.TIMED_OUT:
                return self._try_again(message, job, claim, failures.INTERRUPTED[reason])
            case StopReason.LEASE_LOST:
                return self._attempts.lost(claim, duration_s=self._took_s())

    def _is_last_chance(self, message: Message, claim: Claim) -> bool:
        last_receive = self._max_receives is not None and (
            message.receive_count >= self._max_receives
        )
        return last_receive or claim.attempt >= claim.max_attempts

    def _took_s(self) -> float:
        """Seconds since the claim."""
        return round(time.monotonic() - self._claimed_at, 3)

    def _backoff(self, message: Message, *, at_least_s: float = 0.0) -> Verdict:
        base_s = self._settings.worker.worker_backoff_base_seconds
        return Verdict(Action.RELEASE, max(backoff_s(message.receive_count, base_s), at_least_s))
