"""What operators ask the ledger: lists of jobs, and one job's whole story."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection
from psycopg.rows import class_row

from worker.ledger.models import Intervention, JobRow, JobStatus, JsonObject
from worker.sqlfiles import statement


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt; ``outcome`` is None while it runs, ``held`` says that its lease runs too."""

    worker_id: str
    claimed_at: datetime
    renewed_at: datetime
    expires_at: datetime
    completed_at: datetime | None
    outcome: str | None
    error_code: str | None
    error_detail: str | None
    reference_versions: JsonObject
    held: bool


@dataclass(frozen=True, slots=True)
class MessageRow:
    """An SQS message that has brought the job."""

    message_id: str
    first_received_at: datetime


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One delivery; what was sent to whom is not shown."""

    slot: str
    kind: str
    status: str
    required: bool
    attempts: int
    reference: str
    error_code: str | None
    error_detail: str | None
    created_at: datetime
    next_attempt_at: datetime
    delivered_at: datetime | None
    response: JsonObject | None


@dataclass(frozen=True, slots=True)
class JobStory:
    """Everything the ledger knows of a job but its payload."""

    job: JobRow
    messages: tuple[MessageRow, ...]
    attempts: tuple[AttemptRow, ...]
    deliveries: tuple[DeliveryRow, ...]
    result: JsonObject | None
    result_stored_at: datetime | None
    interventions: tuple[Intervention, ...]


def list_jobs(
    connection: Connection, *, status: JobStatus | None = None, limit: int = 50
) -> tuple[JobRow, ...]:
    """The newest jobs first."""
    return _jobs(connection, status=status, key=None, limit=limit)


def find_jobs(connection: Connection, wanted: str) -> tuple[JobStory, ...]:
    """The jobs with this key, quote's reference, correlation id or SQS message id, newest first."""
    jobs = _jobs(connection, status=None, key=wanted, limit=20)
    return tuple(_story(connection, job) for job in jobs)


def find_interventions(connection: Connection, message_id: str) -> tuple[Intervention, ...]:
    """What operators did about a message, also about one that never became a job."""
    return _interventions(connection, job_id=None, message_id=message_id)


def _jobs(
    connection: Connection, *, status: JobStatus | None, key: str | None, limit: int
) -> tuple[JobRow, ...]:
    cursor = connection.cursor(row_factory=class_row(JobRow))
    cursor.execute(
        statement(__package__, "list_jobs"), {"status": status, "key": key, "limit": limit}
    )
    return tuple(cursor.fetchall())


def _story(connection: Connection, job: JobRow) -> JobStory:
    wanted = {"job_id": job.id}
    attempts = connection.cursor(row_factory=class_row(AttemptRow))
    deliveries = connection.cursor(row_factory=class_row(DeliveryRow))
    messages = connection.cursor(row_factory=class_row(MessageRow))
    result = connection.execute(statement(__package__, "stored_result"), wanted).fetchone()
    return JobStory(
        job=job,
        messages=tuple(messages.execute(statement(__package__, "list_messages"), wanted)),
        attempts=tuple(attempts.execute(statement(__package__, "list_attempts"), wanted)),
        deliveries=tuple(deliveries.execute(statement(__package__, "list_deliveries"), wanted)),
        result=result[1] if result else None,
        result_stored_at=result[0] if result else None,
        interventions=_interventions(connection, job_id=job.id, message_id=None),
    )


def _interventions(
    connection: Connection, *, job_id: int | None, message_id: str | None
) -> tuple[Intervention, ...]:
    cursor = connection.cursor(row_factory=class_row(Intervention))
    cursor.execute(
        statement(__package__, "list_interventions"), {"job_id": job_id, "message_id": message_id}
    )
    return tuple(cursor.fetchall())
