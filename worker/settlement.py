"""Carries a verdict out: the message is deleted, released or kept, and a line says so."""

from __future__ import annotations

import math
from typing import Protocol

from worker.errors import ConfigurationFault, TransientError
from worker.logs import logger
from worker.queue.sqs import Message, StaleReceipt
from worker.verdicts import Action, Verdict

_log = logger(__name__)

_SETTLED = {
    Action.DELETE: "message.deleted",
    Action.RELEASE: "message.released",
    Action.KEEP: "message.kept",
}


class Settles(Protocol):
    """Where a message is settled; see ``worker.queue.sqs.SqsQueue``."""

    def delete(self, message: Message) -> None: ...

    def release(self, message: Message, seconds: int) -> int: ...


class Settlement:
    """Settles messages on their queue.

    ``strands_after``: the receive after which a message moves to the dead-letter queue, if any.
    """

    def __init__(self, queue: Settles, *, strands_after: int | None) -> None:
        self._queue = queue
        self._strands_after = strands_after

    def settle(self, message: Message, verdict: Verdict) -> bool:
        """Do with the message what the verdict says; never raises what SQS answers.

        False if SQS did not take it.
        """
        settled = True
        try:
            delay_s = self._carry_out(message, verdict)
        except StaleReceipt as error:
            _log.warning("message.stale", message_id=message.message_id, error_code=error.code)
            return True
        except (TransientError, ConfigurationFault) as error:
            # It comes back when its visibility ends; the ledger then knows what was done.
            settled = False
            _log.error(
                "message.unsettled",
                message_id=message.message_id,
                action=verdict.action,
                error_code=error.code,
                error_detail=error.detail,
            )
        else:
            _log.info(_SETTLED[verdict.action], message_id=message.message_id, delay_s=delay_s)
            if verdict.action is Action.DELETE:
                return True
        if not verdict.failed:
            self._tell_if_stranded(message)
        return settled

    def _carry_out(self, message: Message, verdict: Verdict) -> int:
        """The seconds after which a released message comes back, as the queue has set them."""
        match verdict.action:
            case Action.DELETE:
                self._queue.delete(message)
            case Action.RELEASE:
                return self._queue.release(message, math.ceil(verdict.delay_s))
            case Action.KEEP:
                pass
        return 0

    def _tell_if_stranded(self, message: Message) -> None:
        """Its job is not done, but SQS will not hand the message out again: it moves to the DLQ."""
        if self._strands_after is not None and message.receive_count >= self._strands_after:
            _log.warning(
                "message.stranded",
                message_id=message.message_id,
                receive_count=message.receive_count,
            )
