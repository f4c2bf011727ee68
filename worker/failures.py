"""The failures that the runner itself decides on: their codes, and what the requester is told."""

from __future__ import annotations

from worker.errors import MissingInput, PermanentError, TransientError
from worker.jobs.context import StopReason
from worker.ledger.ledger import ATTEMPTS_EXHAUSTED, JOB_POISON

_TRIED = "The job was tried as often as is allowed and did not succeed."

# Why we stopped a job ourselves, as the ledger records it.
INTERRUPTED = {
    StopReason.STOP_REQUESTED: TransientError("stop_requested", "The worker was stopped."),
    StopReason.TIMED_OUT: TransientError("job_timed_out", "The job took too long."),
    StopReason.NOT_RENEWED: TransientError(
        "lease_not_renewed", "The lease or the message could not be renewed in time."
    ),
    StopReason.HELD_TOO_LONG: TransientError(
        "message_held_too_long", "The message was held for almost as long as SQS allows."
    ),
}


def not_loaded(layers: tuple[str, ...]) -> MissingInput:
    """Reference layers that the job needs have no active version."""
    return MissingInput(
        "reference_data_missing",
        f"Reference data that this assessment needs is not loaded: {', '.join(layers)}.",
    )


def exhausted(error: TransientError) -> PermanentError:
    """What a transient failure becomes on the last receive or attempt."""
    if isinstance(error, MissingInput):
        return PermanentError(error.code, error.sentence, detail=error.detail)
    return PermanentError(ATTEMPTS_EXHAUSTED, _TRIED, detail=str(error))


def poisoned(code: str) -> PermanentError:
    """A job that is claimed only to be failed."""
    if code == JOB_POISON:
        return PermanentError(code, "The job stopped the worker each time it was tried.")
    return PermanentError(code, _TRIED)
