"""A run that its schedule has missed is asked for by a person, never made up by the worker."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import date, datetime
from uuid import uuid4

from worker.jobs.registry import JobType
from worker.queue.envelope import open_envelope
from worker.queue.sqs import Message, SqsQueue, make_sqs_client
from worker.settings import Settings


@dataclass(frozen=True, slots=True)
class Asked:
    """A run whose message is on the queue."""

    job_key: str
    message_id: str


def ask_for_run(settings: Settings, job_type: JobType, at: datetime, run_date: date) -> Asked:
    """Put the message on the queue that the schedule would have sent at ``at``.

    A run that was made already is recognised by its time, so asking twice does no harm. Raises
    MessageError ``payload_invalid`` without sending anything.
    """
    body = json.dumps(
        {
            "jobType": job_type.name,
            "scheduledTime": at.isoformat(),
            "runDate": run_date.isoformat(),
        }
    )
    correlation_id = str(uuid4())
    message = Message("", "", body, 0, None, correlation_id, time.monotonic())
    limit = settings.queue.sqs_max_body_bytes
    job = job_type.accept(open_envelope(message, max_body_bytes=limit))
    queue = SqsQueue(make_sqs_client(settings.aws, 0), settings.queue.sqs_queue_url)
    return Asked(job.key, queue.send(body, correlation_id))
