"""One job without SQS, for a container that a scheduler starts and that ends by itself.

The job goes through the same loop, ledger and deliveries as one from the queue; only the message
is made here and lives in this process.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from worker.errors import (
    EX_DATAERR,
    EX_OK,
    EX_TEMPFAIL,
    CommandRefused,
    MessageError,
    TransientError,
)
from worker.logs import logger
from worker.main import guarded, refuse, stop_signal, supervised, unprotected
from worker.queue.envelope import read_json
from worker.queue.single import SingleMessageQueue
from worker.settings import Settings

if TYPE_CHECKING:
    from worker.assembly import Parts, Source
    from worker.consumer import Consumer, Idle
    from worker.ledger.models import JsonObject

_log = logger(__name__)

# A job that is not tried for so long, or shall not be, waits for something that is down or busy,
# and whoever started the container should know.
_PATIENCE_S = 600.0


def read_payload(given: str) -> JsonObject:
    """The JSON object in ``given``, or in the file that it names after an ``@``, as from the queue.

    Raises CommandRefused ``payload_unreadable``.
    """
    try:
        text = Path(given[1:]).read_text(encoding="utf-8") if given.startswith("@") else given
        value = read_json(text)
    except (OSError, ValueError, MessageError) as error:
        raise CommandRefused(
            "payload_unreadable", "The payload is not a JSON object, or its file cannot be read."
        ) from error
    if not isinstance(value, dict):
        raise CommandRefused("payload_unreadable", "The payload is not a JSON object.")
    return value


def run_job(job_type: str, payload: JsonObject, *, correlation_id: str | None = None) -> int:
    """Run one job to its end; returns the exit code.

    0: done, and everything delivered (now or before). 65: refused, failed for good or cancelled;
    the ledger says why. 75: not finished, because of a stop or of something that is down or busy:
    the same command goes on with it. Others as the daemon.
    """
    message_id = f"run-{uuid.uuid4().hex}"
    body = json.dumps({**payload, "jobType": job_type})

    def single(settings: Settings) -> int:
        only = settings.worker.model_copy(update={"worker_job_types": (job_type,)})
        settings = unprotected(replace(settings, worker=only))
        refuse(settings.problems_for_run(with_queue=False))
        stop = stop_signal(settings)
        queue = SingleMessageQueue(
            message_id, body, correlation_id, wait=stop.wait, patience_s=_PATIENCE_S
        )

        def source(_: Settings) -> Source:
            from worker.assembly import Source

            return Source(queue, queue.renew, queue.max_receives)

        def enough(idle: Idle) -> bool:
            return queue.exhausted or idle.seconds >= _PATIENCE_S

        def consumer(parts: Parts) -> Consumer:
            from worker.assembly import assemble

            return assemble(parts, source, enough=enough)

        code = supervised(settings, stop, consumer)
        if queue.deleted:
            outcome = _ending(settings, message_id)
        elif code != EX_OK:
            outcome = code
        else:
            outcome = EX_DATAERR if queue.refused and not stop.requested else EX_TEMPFAIL
        _log.info("run.ended", job_type=job_type, message_id=message_id, exit_code=outcome)
        return outcome

    return guarded(single)


def _ending(settings: Settings, message_id: str) -> int:
    """The exit code of a job that is over: its message is deleted too if it was cancelled."""
    from worker.clients.db import Database
    from worker.ledger.models import JobStatus
    from worker.ledger.operations import Operations

    try:
        with Database.from_settings(settings) as database:
            known = Operations(database.connection, made_by=message_id).jobs_of((message_id,))
    except TransientError as error:
        # The same command then hears how it ended.
        _log.error("dependency.down", error_code=error.code, error_detail=error.detail)
        return EX_TEMPFAIL
    return EX_DATAERR if known[message_id].status == JobStatus.CANCELLED else EX_OK
