"""What the ledger stores and answers: jobs, claims, results and deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

JsonObject = Mapping[str, object]

# The type of the entry for a message that is no job; its key is made of the message's id.
UNREADABLE = "unreadable"


class JobStatus(StrEnum):
    """PENDING and IN_PROGRESS are open, the others final."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"


OPEN = frozenset({JobStatus.PENDING, JobStatus.IN_PROGRESS})


@dataclass(frozen=True, slots=True)
class NewJob:
    """A message as the ledger knows it: ``key`` identifies the job, the hash its payload.

    ``asked_at``: when the message was published; None if nobody knows, for now.
    """

    key: str
    type: str
    payload_hash: str
    payload: JsonObject | None
    correlation_id: str
    message_id: str
    max_attempts: int
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """Something that has to reach somebody once a job is finished.

    ``slot`` names it within the job ("result", "completed"): one delivery a slot, so that storing
    it again cannot send it again. Deliveries are made in the order in which they are stored; a
    ``required`` one holds back those after it, and its rejection fails the job.
    """

    slot: str
    kind: str
    payload: JsonObject
    required: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """A stored delivery that this worker has claimed; ``attempts`` counts this attempt."""

    id: int
    job_id: int
    job_key: str
    correlation_id: str
    slot: str
    kind: str
    reference: str
    required: bool
    payload: JsonObject
    attempts: int


@dataclass(frozen=True, slots=True)
class JobIdentity:
    """What a job's deliveries are derived from."""

    id: int
    uid: UUID
    reopenings: int


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write a job's outcome, as long as the token is the open one."""

    job: JobIdentity
    key: str
    token: UUID
    attempt: int
    max_attempts: int


@dataclass(frozen=True, slots=True)
class Busy:
    """Another worker holds a live lease for ``remaining_s`` seconds."""

    remaining_s: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The job has its final status already; pending deliveries may still have to be made."""

    job_id: int
    status: JobStatus
    error_code: str | None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The key belongs to a job with another payload."""


@dataclass(frozen=True, slots=True)
class Poisoned:
    """Claimed only to be failed: earlier attempts ended without a verdict, or too many failed."""

    claim: Claim
    code: str


ClaimAnswer = Claim | Busy | Finished | Mismatch | Poisoned


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as operators see it."""

    id: int
    key: str
    type: str
    status: str
    attempts: int
    max_attempts: int
    correlation_id: str
    error_code: str | None
    error_sentence: str | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    deliveries_pending: int


@dataclass(frozen=True, slots=True)
class MessageJob:
    """The job that a message has brought."""

    message_id: str
    id: int
    key: str
    type: str
    status: str
    correlation_id: str
    error_code: str | None
    error_sentence: str | None


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job and its payload, None once that was erased; ``asked_at``: see NewJob."""

    id: int
    key: str
    type: str
    status: str
    correlation_id: str
    payload: JsonObject | None
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Intervention:
    """What an operator did about a job or one of its messages."""

    action: str
    message_id: str | None
    note: str | None
    made_by: str
    made_at: datetime


def delivery_reference(job: JobIdentity, slot: str) -> UUID:
    """The idempotency reference of one delivery: the same whenever the same thing is sent.

    Derived from the job's random id, so that two environments that share a Notify service can
    never take each other's e-mails for their own.
    """
    return uuid5(job.uid, f"{job.reopenings}/{slot}")
