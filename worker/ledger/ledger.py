"""Who may run a job and what became of it: claim, renew, finish, each fenced by a token.

Ownership is decided here, not by SQS. A claim gives a fresh token; every later write closes the
attempt with ``WHERE token = … AND completed_at IS NULL`` first, and a worker whose attempt was
closed by somebody else gets ``LeaseLost`` and has written nothing. Time is the database's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from psycopg import Connection
from psycopg.types.json import Jsonb

from worker.errors import WorkerError
from worker.ledger.models import (
    Busy,
    Claim,
    ClaimAnswer,
    Finished,
    JobIdentity,
    JobStatus,
    JsonObject,
    Mismatch,
    NewDelivery,
    NewJob,
    Poisoned,
    delivery_reference,
)
from worker.ledger.registration import (
    RegisteredJob,
    ask_again,
    register,
    remember_message,
    reopen,
)
from worker.logs import redact
from worker.sqlfiles import statement

Connect = Callable[[], AbstractContextManager[Connection]]

ATTEMPTS_EXHAUSTED = "attempts_exhausted"
JOB_POISON = "job_poison"

# Places in the order of a job's deliveries: the started notice, the outcome, what follows from a
# rejection of the outcome.
_STARTED, OUTCOME, REJECTION = 0, 10, 50
# A job whose attempts ended twice without a verdict is not given a third process to end.
_VANISHED_LIMIT = 2


class LeaseLost(WorkerError):
    """Another worker owns the job: whatever we were about to write was not written."""

    def __init__(self, key: str) -> None:
        super().__init__("lease_lost", "Another worker owns this job now.", detail=f"job {key}")


class Ledger:
    """The jobs schema. ``connect`` gives a connection whose block is one transaction."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def claim(
        self,
        connection: Connection,
        new: NewJob,
        *,
        worker_id: str,
        lease_s: float,
        pinned: JsonObject,
    ) -> ClaimAnswer:
        """Register the job if it is new and try to own it, in the caller's transaction.

        ``pinned`` (the versions of reference data) is stored with the attempt. The answer says
        what becomes of the message: a Claim to run, Busy, Finished, Mismatch, or Poisoned (a
        claim that may only be failed).
        """
        job = register(connection, new)
        if job.payload_hash != new.payload_hash:
            return Mismatch()
        unseen = remember_message(connection, new.message_id, job.id, read=True)
        job = ask_again(connection, job, new.asked_at) or job
        if unseen and job.status in (JobStatus.FAILED, JobStatus.TIMED_OUT):
            job = reopen(connection, job.id) or job
        if job.status not in (JobStatus.PENDING, JobStatus.IN_PROGRESS):
            return Finished(job.id, JobStatus(job.status), job.error_code)
        remaining_s = _live_lease(connection, job.id)
        if remaining_s > 0:
            return Busy(remaining_s)
        vanished = _count_expired(connection, job)
        claim = _assign(connection, job, new, worker_id, lease_s, pinned)
        if vanished >= _VANISHED_LIMIT:
            return Poisoned(claim, JOB_POISON)
        if job.attempts >= job.max_attempts:
            return Poisoned(claim, ATTEMPTS_EXHAUSTED)
        return claim

    def renew(self, claim: Claim, *, lease_s: float) -> bool:
        """Start the lease anew; False when the attempt was closed (lost or cancelled)."""
        with self._connect() as connection:
            row = connection.execute(
                statement(__package__, "renew"), {"token": claim.token, "lease_s": lease_s}
            ).fetchone()
        return row is not None

    def status(self, job_id: int) -> JobStatus:
        """The job's status now; LookupError if there is no such job."""
        with self._connect() as connection:
            row = connection.execute(
                b"SELECT status FROM jobs.job WHERE id = %s", (job_id,)
            ).fetchone()
        if row is None:
            raise LookupError(f"no job {job_id}")
        return JobStatus(row[0])

    def announce(self, claim: Claim, notices: Sequence[NewDelivery]) -> None:
        """Store what is sent once when the job starts, however often it is claimed.

        Nothing if the job was cancelled or ended meanwhile.
        """
        with self._connect() as connection:
            row = connection.execute(
                statement(__package__, "lock_job"), {"job_id": claim.job.id}
            ).fetchone()
            if row is not None and row[0] == JobStatus.IN_PROGRESS:
                add_deliveries(connection, claim.job, notices, _STARTED)

    def succeed(self, claim: Claim, result: JsonObject, deliveries: Sequence[NewDelivery]) -> None:
        """Store the result and everything that has to be delivered, in one transaction.

        Raises LeaseLost if the token is not the open one.
        """
        with self._connect() as connection:
            assignment_id = _close(connection, claim, "succeeded", None)
            connection.execute(
                b"INSERT INTO jobs.result (job_id, assignment_id, payload) VALUES (%s, %s, %s)",
                (claim.job.id, assignment_id, Jsonb(result)),
            )
            _finish(connection, claim.job.id, JobStatus.SUCCEEDED, None)
            add_deliveries(connection, claim.job, deliveries, OUTCOME)

    def fail(self, claim: Claim, error: WorkerError, notices: Sequence[NewDelivery]) -> None:
        """FAILED for good, with the notices to the requester; raises LeaseLost."""
        with self._connect() as connection:
            _close(connection, claim, "failed", error)
            _finish(connection, claim.job.id, JobStatus.FAILED, error)
            add_deliveries(connection, claim.job, notices, OUTCOME)

    def retry_later(self, claim: Claim, error: WorkerError) -> None:
        """Back to PENDING after a transient failure; the attempt stays counted."""
        with self._connect() as connection:
            _close(connection, claim, "retry", error)
            _return_job(connection, claim.job.id, uncounted=0)

    def hand_back(self, claim: Claim, error: WorkerError) -> None:
        """Back to PENDING because we stop or a dependency is away: the attempt does not count.

        Raises LeaseLost if somebody has ended it meanwhile. One that was ended because its lease
        had passed does not count either: its worker is still there to say what stopped it.
        """
        with self._connect() as connection:
            if _closed(connection, claim, "handed_back", error) is not None:
                _return_job(connection, claim.job.id, uncounted=1)
                return
            connection.execute(
                statement(__package__, "uncount_expired"),
                {"token": claim.token, **_ending("handed_back", error)},
            )
        raise LeaseLost(claim.key)

    def record_invalid(
        self, new: NewJob, error: WorkerError, notices: Sequence[NewDelivery]
    ) -> int:
        """A FAILED job for a message that can't be run, so that triage shows its code.

        Its key is the SQS message id, so it is stored once however often the message is received.
        Returns the job's id.
        """
        with self._connect() as connection:
            job = register(connection, new)
            remember_message(connection, new.message_id, job.id, read=True)
            if job.status == JobStatus.PENDING:
                _finish(connection, job.id, JobStatus.FAILED, error)
                add_deliveries(connection, _identity(job), notices, OUTCOME)
        return job.id


def _live_lease(connection: Connection, job_id: int) -> float:
    row = connection.execute(
        statement(__package__, "open_assignment"), {"job_id": job_id}
    ).fetchone()
    if row is None:
        return 0.0
    assignment_id, remaining_s = row
    if remaining_s <= 0:
        connection.execute(
            statement(__package__, "expire_assignment"), {"assignment_id": assignment_id}
        )
    return float(remaining_s)


def _count_expired(connection: Connection, job: RegisteredJob) -> int:
    row = connection.execute(
        statement(__package__, "count_expired"),
        {"job_id": job.id, "reopenings": job.reopenings},
    ).fetchone()
    return int(row[0]) if row else 0


def _assign(
    connection: Connection,
    job: RegisteredJob,
    new: NewJob,
    worker_id: str,
    lease_s: float,
    pinned: JsonObject,
) -> Claim:
    row = connection.execute(
        statement(__package__, "assign"),
        {
            "job_id": job.id,
            "payload": None if new.payload is None else Jsonb(new.payload),
            "worker_id": worker_id,
            "reopenings": job.reopenings,
            "reference_versions": Jsonb(pinned),
            "lease_s": lease_s,
        },
    ).fetchone()
    assert row is not None
    token, attempt = row
    return Claim(_identity(job), new.key, token, attempt, job.max_attempts)


def _close(connection: Connection, claim: Claim, outcome: str, error: WorkerError | None) -> int:
    assignment_id = _closed(connection, claim, outcome, error)
    if assignment_id is None:
        raise LeaseLost(claim.key)
    return assignment_id


def _closed(
    connection: Connection, claim: Claim, outcome: str, error: WorkerError | None
) -> int | None:
    """The id of the attempt that this has ended; None if somebody else had ended it."""
    # The job is locked before its attempt, by everybody: otherwise a result and a claim, a
    # cancellation or the reaper could wait for each other.
    connection.execute(statement(__package__, "lock_job"), {"job_id": claim.job.id})
    row = connection.execute(
        statement(__package__, "close_assignment"),
        {"token": claim.token, **_ending(outcome, error)},
    ).fetchone()
    return None if row is None else int(row[0])


def _ending(outcome: str, error: WorkerError | None) -> dict[str, str | None]:
    return {
        "outcome": outcome,
        "error_code": error.code if error else None,
        "error_detail": redact(str(error)) if error else None,
    }


def _finish(
    connection: Connection, job_id: int, status: JobStatus, error: WorkerError | None
) -> None:
    connection.execute(
        statement(__package__, "finish_job"),
        {"job_id": job_id, "status": status, **error_fields(error)},
    )
    connection.execute(statement(__package__, "supersede_started"), {"job_id": job_id})


def _return_job(connection: Connection, job_id: int, *, uncounted: int) -> None:
    connection.execute(
        statement(__package__, "return_job"), {"job_id": job_id, "uncounted": uncounted}
    )


def add_deliveries(
    connection: Connection, job: JobIdentity, deliveries: Sequence[NewDelivery], first: int
) -> None:
    """Store what has to be delivered, from place ``first`` on; what is stored already stays."""
    for position, delivery in enumerate(deliveries, start=first):
        connection.execute(
            statement(__package__, "add_delivery"),
            {
                "job_id": job.id,
                "slot": delivery.slot,
                "kind": delivery.kind,
                "reference": delivery_reference(job, delivery.slot),
                "position": position,
                "required": delivery.required,
                "payload": Jsonb(delivery.payload),
            },
        )


def error_fields(error: WorkerError | None) -> dict[str, str | None]:
    if error is None:
        return {"error_code": None, "error_sentence": None}
    return {"error_code": error.code, "error_sentence": error.sentence}


def _identity(job: RegisteredJob) -> JobIdentity:
    return JobIdentity(job.id, job.uid, job.reopenings)
