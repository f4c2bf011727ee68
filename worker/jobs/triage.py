"""What operators do about dead letters and about jobs that have ended badly or should end.

A letter that goes back is on one of the two queues at every moment: the job is opened again, then
the message is sent and recorded, then the dead letter deleted. A command that dies in between
leaves at most a second message. The ledger knows it for a duplicate, unless the command died before
it recorded what it had sent and the other message has failed by then: the job is tried once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn, Protocol

from worker.errors import CommandRefused, MessageError
from worker.jobs.stored import stored_body
from worker.ledger.models import UNREADABLE, JobStatus, MessageJob, StoredJob
from worker.ledger.operations import Operations
from worker.queue.dlq import DeadLetter, DeadLetterQueue, Look
from worker.queue.envelope import correlation_of, open_envelope
from worker.queue.sqs import StaleReceipt

_FAILED = frozenset({JobStatus.FAILED, JobStatus.TIMED_OUT})
_RETRYABLE = _FAILED | {JobStatus.PENDING}


@dataclass(frozen=True, slots=True)
class Case:
    """A dead letter and the job that the ledger knows it for; None if it was never received."""

    letter: DeadLetter
    job: MessageJob | None
    job_type: str
    correlation_id: str

    @property
    def message_id(self) -> str:
        return self.letter.message_id

    @property
    def job_key(self) -> str | None:
        """The job's key; None for a letter that is no job, or not known."""
        return None if self.job is None or self.job.type == UNREADABLE else self.job.key

    @property
    def stranded(self) -> bool:
        """Whether no verdict brought it here: its job has not failed, or was never seen."""
        return self.job is None or self.job.status not in _FAILED


@dataclass(frozen=True, slots=True)
class Choice:
    """Which dead letters a command is about; ``ids`` are message ids or job ids."""

    ids: frozenset[str] = frozenset()
    stranded: bool = False
    everything: bool = False
    code: str | None = None

    def takes(self, case: Case) -> bool:
        if case.message_id in self.ids or case.job_key in self.ids:
            return True
        if self.stranded and case.stranded:
            return True
        code = case.job.error_code if case.job else None
        return self.everything and (self.code is None or self.code == code)


@dataclass(frozen=True, slots=True)
class Redriven:
    """A dead letter that is back on its queue.

    ``reopened``: its job had failed and is open again. ``left_behind``: the dead letter could not
    be deleted, since somebody else holds it; redriving it once more does no harm.
    """

    case: Case
    new_id: str
    reopened: bool
    left_behind: bool


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of a retried job: its status, and the messages that will bring it."""

    key: str
    status: JobStatus
    redriven: tuple[Redriven, ...] = ()
    new_message_id: str | None = None


class Sends(Protocol):
    """Puts a new message on the queue; see ``worker.queue.sqs.SqsQueue``."""

    def send(self, body: str, correlation_id: str) -> str: ...


class Triage:
    """The dead-letter queue and the ledger, seen together."""

    def __init__(
        self, dlq: DeadLetterQueue, operations: Operations, *, max_body_bytes: int
    ) -> None:
        self._dlq = dlq
        self._operations = operations
        self._max_body_bytes = max_body_bytes

    @property
    def look(self) -> Look:
        """How much of the queue the last command has seen."""
        return self._dlq.look

    def list(self, *, limit: int) -> tuple[Case, ...]:
        """The dead letters, at most ``limit`` of them."""
        found: list[Case] = []
        with self._browse() as cases:
            for case in cases:
                found.append(case)
                if len(found) == limit:
                    break
        return tuple(found)

    def find(self, wanted: str) -> tuple[Case, ...]:
        """The dead letters of this message or job id; raises CommandRefused if there are none."""
        choice = Choice(ids=frozenset({wanted}))
        with self._browse() as cases:
            found = tuple(_chosen(choice, cases))
        if not found:
            self._not_found({wanted})
        return found

    def redrive(
        self, choice: Choice, *, opened: frozenset[int] = frozenset()
    ) -> Iterator[Redriven]:
        """Put letters back on their queue, one after the other, each reported when it is done.

        ``opened``: jobs that are open again already. Raises CommandRefused
        ``dead_letter_not_found`` at the end for each id that was not there.
        """
        missing, reopened = set(choice.ids), set(opened)
        # One that fails again at once comes back while we look; it is not taken a second time.
        ours: set[str] = set()
        with self._browse() as cases:
            for case in _chosen(choice, cases):
                if case.message_id in ours:
                    continue
                missing -= {case.message_id, case.job_key}
                done = self._redrive(case, reopened)
                ours.add(done.new_id)
                yield done
        if missing:
            self._not_found(missing)

    def drop(self, wanted: str, reason: str) -> tuple[Case, ...]:
        """Throw letters away, the reason recorded first; CommandRefused if there are none."""
        choice = Choice(ids=frozenset({wanted}))
        dropped: list[Case] = []
        with self._browse() as cases:
            for case in _chosen(choice, cases):
                self._operations.dropped(case.job, case.message_id, reason)
                self._dlq.delete(case.letter)
                dropped.append(case)
        if not dropped:
            self._not_found({wanted})
        return tuple(dropped)

    def _redrive(self, case: Case, reopened: set[int]) -> Redriven:
        job, fresh = case.job, False
        # Once a command: a second letter of the same job is its duplicate.
        if job is not None and job.id not in reopened:
            fresh = self._operations.reopen(job)
            reopened.add(job.id)
        new_id = self._dlq.send_back(case.letter)
        self._operations.redriven(job, case.message_id, new_id)
        try:
            self._dlq.delete(case.letter)
        except StaleReceipt:
            return Redriven(case, new_id, fresh, left_behind=True)
        return Redriven(case, new_id, fresh, left_behind=False)

    def _not_found(self, ids: set[str]) -> NoReturn:
        overlooked = self.look.overlooked
        hidden = f" About {overlooked} of {self.look.counted} were not seen." if overlooked else ""
        raise CommandRefused(
            "dead_letter_not_found",
            f"Not on the dead-letter queue: {', '.join(sorted(ids))}.{hidden}"
            " Somebody else may be looking at it: try again in a minute.",
        )

    @contextmanager
    def _browse(self) -> Iterator[Iterator[Case]]:
        with self._dlq.browse() as letters:
            yield map(self._case, letters)

    def _case(self, letter: DeadLetter) -> Case:
        job = self._operations.jobs_of([letter.message_id]).get(letter.message_id)
        known = "" if job is None or job.type == UNREADABLE else job.type
        # The letter's own id: a job has that of the message which brought it first.
        learned: list[str] = []
        try:
            envelope = open_envelope(
                letter.message, max_body_bytes=self._max_body_bytes, learned=learned.append
            )
            job_type = known or envelope.job_type
        except MessageError:
            job_type = known or UNREADABLE
            learned = learned or [correlation_of(letter.message)]
        correlation_id = learned[0]
        if correlation_id == letter.message_id:
            # It had none, and goes by its message id.
            correlation_id = job.correlation_id if job else ""
        return Case(letter, job, job_type, correlation_id)


def retry(key: str, operations: Operations, triage: Triage | None, queue: Sends) -> Retried:
    """Open a failed job again and make sure that a message brings it.

    Its dead letter is redriven if there is one (``triage`` None: no dead-letter queue is known),
    else a new message is made from the payload in the ledger. A job whose result is stored needs
    none: an idle worker makes its deliveries. Raises CommandRefused ``job_finished``,
    ``job_unreadable``, ``job_running``, ``message_missing`` and what ``Operations.job`` raises.
    """
    job = operations.job(key)
    if job.type == UNREADABLE:
        raise CommandRefused(
            "job_unreadable", "This is no job but a message that could not be read: redrive it."
        )
    if job.status == JobStatus.IN_PROGRESS:
        raise CommandRefused("job_running", f"Job {job.key} is running.")
    letters = _letters_of(job, triage)
    body = stored_body(job)
    if not letters and body is None and job.status in _RETRYABLE:
        raise CommandRefused(
            "message_missing",
            "The job's message is not on the dead-letter queue and its payload was erased:"
            " it has to be submitted again.",
        )
    status = operations.retry(job)
    if triage is not None and letters:
        ids = frozenset(case.message_id for case in letters)
        redriven = tuple(triage.redrive(Choice(ids=ids), opened=frozenset({job.id})))
        return Retried(job.key, status, redriven)
    if status is JobStatus.SUCCEEDED or body is None:
        return Retried(job.key, status)
    message_id = queue.send(body, job.correlation_id)
    operations.sent(job, message_id)
    return Retried(job.key, status, new_message_id=message_id)


def _letters_of(job: StoredJob, triage: Triage | None) -> tuple[Case, ...]:
    if triage is None:
        return ()
    try:
        return triage.find(job.key)
    except CommandRefused:
        return ()


def _chosen(choice: Choice, cases: Iterator[Case]) -> Iterator[Case]:
    """The cases that are taken; an end as soon as no other can be.

    A message id has one letter, a job may have several.
    """
    waiting = set(choice.ids)
    for case in filter(choice.takes, cases):
        yield case
        waiting.discard(case.message_id)
        if choice.ids and not waiting:
            return
