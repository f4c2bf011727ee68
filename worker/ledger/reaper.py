"""Ends what nobody works on any more: attempts whose lease has passed, jobs that nobody starts.

One worker at a time, by an advisory lock. A renewal, a result or a cancellation that comes first
wins, because each row is changed only in the status in which it was found.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from worker.errors import PermanentError, WorkerError
from worker.ledger.ledger import ATTEMPTS_EXHAUSTED, OUTCOME, Connect, add_deliveries
from worker.ledger.models import JobIdentity, JobStatus, JsonObject, NewDelivery, StoredJob
from worker.sqlfiles import statement

# Any constant does, as long as nothing else in this database locks the same one.
REAPER_LOCK = 7_203_003

_LEASES_USED_UP = PermanentError(
    ATTEMPTS_EXHAUSTED, "The job was tried as often as is allowed and never finished."
)
_NEVER_STARTED = PermanentError(
    "job_not_started", "The job was not started in the time that is allowed for it."
)

Notices = Callable[[StoredJob, WorkerError], tuple[NewDelivery, ...]]


@dataclass(frozen=True, slots=True)
class Reaped:
    """A job that the reaper has changed: back to PENDING, or TIMED_OUT with an error code."""

    key: str
    type: str
    status: JobStatus
    correlation_id: str
    error_code: str | None


@dataclass(frozen=True, slots=True)
class _Overdue:
    id: int
    uid: UUID
    reopenings: int
    key: str
    type: str
    status: str
    correlation_id: str
    payload: JsonObject | None

    @property
    def stored(self) -> StoredJob:
        return StoredJob(
            self.id, self.key, self.type, self.status, self.correlation_id, self.payload
        )


def reap(
    connect: Connect, *, types: Collection[str], pending_limit_s: float, notices: Notices
) -> tuple[Reaped, ...]:
    """Close what is overdue, at most 200 jobs; nothing if another worker is at it.

    ``types``: those of the jobs that ``notices`` can tell about; jobs of others are left to their
    own workers. ``pending_limit_s``: how long a job may wait to be started. ``notices``: what is
    sent once about a job that has timed out; stored in the same transaction.
    """
    with connect() as connection:
        row = connection.execute(
            statement(__package__, "reaper_lock"), {"lock": REAPER_LOCK}
        ).fetchone()
        if row is None or not row[0]:
            return ()
        ours: dict[str, object] = {"types": list(types)}
        lapsed = _end(connection, "expire_leases", _LEASES_USED_UP, ours, notices)
        waiting = {**ours, "limit_s": pending_limit_s}
        waited = _end(connection, "time_out_pending", _NEVER_STARTED, waiting, notices)
    return (*lapsed, *waited)


def _end(
    connection: Connection,
    name: str,
    error: WorkerError,
    parameters: dict[str, object],
    notices: Notices,
) -> Sequence[Reaped]:
    cursor = connection.cursor(row_factory=class_row(_Overdue))
    overdue = cursor.execute(
        statement(__package__, name),
        {"error_code": error.code, "error_sentence": error.sentence, **parameters},
    ).fetchall()
    return [_reaped(connection, job, error, notices) for job in overdue]


def _reaped(connection: Connection, job: _Overdue, error: WorkerError, notices: Notices) -> Reaped:
    status = JobStatus(job.status)
    if status is not JobStatus.TIMED_OUT:
        return Reaped(job.key, job.type, status, job.correlation_id, None)
    connection.execute(statement(__package__, "supersede_started"), {"job_id": job.id})
    identity = JobIdentity(job.id, job.uid, job.reopenings)
    add_deliveries(connection, identity, notices(job.stored, error), OUTCOME)
    return Reaped(job.key, job.type, status, job.correlation_id, error.code)
