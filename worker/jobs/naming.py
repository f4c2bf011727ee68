"""Which job a message asks for that no worker has read yet."""

from __future__ import annotations

import re

from worker.errors import MessageError
from worker.jobs.payloads import job_key, parse_request
from worker.jobs.scheduled import instant_of, run_key
from worker.queue.envelope import Envelope

_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def asked_for(envelope: Envelope) -> str | None:
    """The key of the job that the message asks for; None if it names none as it should.

    A worker may refuse the message all the same: only what makes the key is looked at.
    """
    body = envelope.body
    try:
        if envelope.shape == "quote":
            return job_key(parse_request(envelope))
        if envelope.shape == "job" and "scheduledTime" in body:
            return run_key(envelope.job_type, instant_of(body["scheduledTime"]))
    except (MessageError, ValueError):
        return None
    name = body.get("job_id" if envelope.shape == "assessment" else "jobId")
    return name if isinstance(name, str) and _JOB_ID.fullmatch(name) else None
