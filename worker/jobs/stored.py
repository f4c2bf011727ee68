"""Between messages and the ledger: what stands there for a message that is no job, and back."""

from __future__ import annotations

import hashlib
import json

from worker.errors import MessageError
from worker.jobs.registry import Job, Registry
from worker.ledger.models import UNREADABLE, NewJob, StoredJob
from worker.logs import correlation_id
from worker.queue.envelope import open_envelope
from worker.queue.sqs import Message


def unreadable_job(message: Message) -> NewJob:
    """The ledger's entry for a message that is no job, keyed by the SQS message id."""
    return NewJob(
        key=f"message:{message.message_id}",
        type=UNREADABLE,
        payload_hash=hashlib.sha256(message.body.encode("utf-8", "surrogatepass")).hexdigest(),
        payload=None,
        correlation_id=correlation_id() or message.message_id,
        message_id=message.message_id,
        max_attempts=1,
    )


def stored_body(job: StoredJob) -> str | None:
    """The body of a message that asks for this job again; None once its payload was erased."""
    if job.payload is None:
        return None
    payload = dict(job.payload)
    # A quote's stored payload is its message. Every other fits the form that names its type, and
    # a scheduled run is known by its time instead of an id.
    if "scheduledTime" in payload:
        payload = {"jobType": job.type, **payload}
    elif "reference" not in payload:
        payload.pop("job_id", None)
        payload = {"jobType": job.type, "jobId": job.key, **payload}
    return json.dumps(payload, ensure_ascii=False)


def restored(job: StoredJob, registry: Registry, *, max_body_bytes: int) -> Job | None:
    """The job as its type reads it; None if this worker does not run it or can't read it."""
    body = stored_body(job)
    job_type = registry.find(job.type)
    if body is None or job_type is None:
        return None
    message = Message(
        message_id="",
        receipt_handle="",
        body=body,
        receive_count=0,
        sent_at=None,
        correlation_attribute=job.correlation_id,
        received_monotonic=0.0,
    )
    try:
        return job_type.accept(open_envelope(message, max_body_bytes=max_body_bytes))
    except MessageError:
        # Accepted by an earlier version, refused by this one.
        return None
