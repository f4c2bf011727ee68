"""From a message to the job that it asks for: registered, asked for again, opened again.

Everything here happens in the transaction that registers the job, under the job's lock. Requests
about one subject (a quote's reference) have an order: when each was last asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from worker.ledger.models import NewJob
from worker.sqlfiles import statement

# Any constant does, as long as nothing else in this database locks pairs that begin with it.
_SUBJECT_LOCK = 7_203_004


@dataclass(frozen=True, slots=True)
class RegisteredJob:
    """A job as the ledger has it, locked until the transaction ends."""

    id: int
    uid: UUID
    status: str
    payload_hash: str
    attempts: int
    max_attempts: int
    reopenings: int
    error_code: str | None
    asked_at: datetime


def register(connection: Connection, new: NewJob) -> RegisteredJob:
    """The job of this key, inserted if it is new.

    Until the transaction ends nobody else registers a request about the same subject.
    """
    cursor = connection.cursor(row_factory=class_row(RegisteredJob))
    job = cursor.execute(
        statement(__package__, "register"),
        {
            "key": new.key,
            "type": new.type,
            "payload_hash": new.payload_hash,
            "payload": None if new.payload is None else Jsonb(new.payload),
            "correlation_id": new.correlation_id,
            "max_attempts": new.max_attempts,
            "asked_at": new.asked_at,
        },
    ).fetchone()
    assert job is not None
    # Without it, a request that is just being registered could be delivered unseen between two
    # that ask for the same thing.
    connection.execute(
        statement(__package__, "lock_subject"), {"job_id": job.id, "lock": _SUBJECT_LOCK}
    )
    return job


def remember_message(
    connection: Connection, message_id: str, job_id: int, *, read: bool = False
) -> bool:
    """Note that this message brings this job, anew if it was just ``read`` so; False if known."""
    row = connection.execute(
        statement(__package__, "remember_message"),
        {"message_id": message_id, "job_id": job_id, "read": read},
    ).fetchone()
    return row is not None and bool(row[0])


def ask_again(
    connection: Connection, job: RegisteredJob, asked_at: datetime | None
) -> RegisteredJob | None:
    """Note that a registered job was asked for at this time; None if that is no news.

    If that makes it the latest about its subject again, its result is due once more.
    """
    if asked_at is None or asked_at <= job.asked_at:
        return None
    cursor = connection.cursor(row_factory=class_row(RegisteredJob))
    return cursor.execute(
        statement(__package__, "ask_again"), {"job_id": job.id, "asked_at": asked_at}
    ).fetchone()


def reopen(connection: Connection, job_id: int) -> RegisteredJob | None:
    """Make a failed job open again with its attempts forgotten; None if it is not failed."""
    cursor = connection.cursor(row_factory=class_row(RegisteredJob))
    return cursor.execute(statement(__package__, "reopen"), {"job_id": job_id}).fetchone()
