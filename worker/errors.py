"""One tree of errors: a class says what becomes of the message, an instance carries the code.

``code`` is stable and public: it is what the ledger, the log line, the dead-letter queue and the
requester see. ``sentence`` is plain English for the person who has to act on it. What only an
operator may see goes into ``detail`` and reaches the log, never a requester.
"""

from __future__ import annotations


class WorkerError(Exception):
    """Something went wrong in a way that the worker understands."""

    def __init__(self, code: str, sentence: str, *, detail: str = "") -> None:
        super().__init__(f"{code}: {detail or sentence}")
        self.code = code
        self.sentence = sentence
        self.detail = detail


class PermanentError(WorkerError):
    """Trying again cannot help: the job is FAILED and the requester is told once."""


class MessageError(PermanentError):
    """The message itself is at fault: not JSON, an unknown type, a field that is wrong."""


class PayloadMismatch(MessageError):
    """The key of a known job came with another payload; the original job is left as it is."""


class CommandRefused(PermanentError):
    """A command asked for something that is not there, or that its state does not allow."""


class BoundaryError(PermanentError):
    """The boundary or ponds file cannot be assessed; codes in section 7 of the specification."""


class ReferenceDataError(PermanentError):
    """Reference layers contradict each other, so no number can be given for this site."""


class TablesUnusable(PermanentError):
    """Tables that another service owns are not there, or not for us: a person has to act."""


class DeliveryRejected(PermanentError):
    """The other side refused what we sent and will refuse it again (400, 404)."""


class TransientError(WorkerError):
    """Trying again may help: the message is released with a backoff and the attempt counted."""

    def __init__(
        self, code: str, sentence: str, *, detail: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(code, sentence, detail=detail)
        self.retry_after_s = retry_after_s


class LimitReached(TransientError):
    """The other side knows us and takes no more for now: unlike an outage, this is an answer."""


class MissingInput(TransientError):
    """Something the message names is not there yet; its code stays when the receives run out."""


class DependencyDown(TransientError):
    """A dependency of every job is away (the database): the attempt does not count."""


class ConfigurationFault(WorkerError):
    """We are refused as a client (401, 403): polling pauses, because every job would fail."""


# Codes of ConfigurationFault that a delivery meets. One that was refused so stays so until it gets
# an answer: whether polling may go on is asked with it.
DELIVERY_REFUSALS = (
    "backend_refused_us",
    "backend_redirected",
    "notify_refused_us",
    "notify_unexpected_answer",
)


class ReferenceDataMissing(WorkerError):
    """A layer that an assessment needs has no active version."""


class Interrupted(WorkerError):
    """The running job has to stop and write nothing; says why."""


class StartError(WorkerError):
    """The worker cannot start; ``exit_code`` says to the platform what kind of reason it is."""

    def __init__(self, code: str, sentence: str, *, exit_code: int, detail: str = "") -> None:
        super().__init__(code, sentence, detail=detail)
        self.exit_code = exit_code


class ConfigurationError(StartError):
    """Settings are missing or contradict each other; one line for each problem."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("configuration_invalid", "; ".join(problems), exit_code=EX_CONFIG)
        self.problems = problems


class DatabaseBehind(StartError):
    """The schema is older than this worker, or not there; ``detail`` says where it is."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            "database_behind",
            "The database is not migrated: run 'worker db migrate'.",
            exit_code=EX_UNAVAILABLE,
            detail=detail,
        )


# Exit codes, after sysexits.h where it has a name for them.
EX_OK = 0
EX_USAGE = 64
EX_DATAERR = 65
EX_UNAVAILABLE = 69
EX_SOFTWARE = 70
EX_TEMPFAIL = 75
EX_CONFIG = 78
