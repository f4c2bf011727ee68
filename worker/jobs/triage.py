"""What operators do about dead letters and about jobs that have ended badly or should end.

A letter that goes back is on one of the two queues at every moment: the message is sent, and with
the record of it the job is open again, then the dead letter is deleted. A command that dies in
between leaves at most a second message. The ledger knows it for a duplicate, unless the command
died before it recorded what it had sent and the other message has failed by then: the job is tried
once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NoReturn, Protocol

from worker.errors import CommandRefused, MessageError, WorkerError
from worker.jobs.naming import asked_for
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
    """A dead letter and the job that the ledger knows it for; None if it was never received.

    ``asked_for`` is the key of the job that its body names, if no more is known of it.
    """

    letter: DeadLetter
    job: MessageJob | None
    job_type: str
    correlation_id: str
    asked_for: str | None

    @property
    def message_id(self) -> str:
        return self.letter.message_id

    @property
    def job_key(self) -> str | None:
        """The job's key; None for a letter that is no job, or not known."""
        if self.job is None:
            return self.asked_for
        return None if self.job.type == UNREADABLE else self.job.key

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
class Dropped:
    """A dead letter that is gone, or ``left_behind`` since somebody else holds it."""

    case: Case
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

    def send(
        self, body: str, correlation_id: str, *, first_sent_at: datetime | None = None
    ) -> str: ...


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

    def redrive(self, choice: Choice) -> Iterator[Redriven]:
        """Put letters back on their queue, one after the other, each reported when it is done.

        Raises CommandRefused ``dead_letter_not_found`` at the end for each id that was not there.
        """
        missing = set(choice.ids)
        with self._browse() as cases:
            for done in self._put_back(_chosen(choice, cases)):
                missing -= {done.case.message_id, done.case.job_key}
                yield done
        if missing:
            self._not_found(missing)

    def redrive_job(self, job: StoredJob) -> Iterator[Redriven]:
        """Put every letter back that the ledger knows this job by; none if there is none."""
        with self._browse() as cases:
            ours = (case for case in cases if case.job is not None and case.job.id == job.id)
            yield from self._put_back(ours)

    def drop(self, wanted: str, reason: str) -> Iterator[Dropped]:
        """Throw letters away, one after the other, the reason recorded first.

        Raises CommandRefused ``dead_letter_not_found`` at the end if there was none.
        """
        choice, found = Choice(ids=frozenset({wanted})), False
        with self._browse() as cases:
            for case in _chosen(choice, cases):
                found = True
                self._operations.dropped(case.job, case.message_id, reason)
                yield Dropped(case, left_behind=not self._deleted(case))
        if not found:
            self._not_found({wanted})

    def _put_back(self, cases: Iterator[Case]) -> Iterator[Redriven]:
        # A job is opened once a command: a second letter of it is its duplicate.
        opened: set[int] = set()
        # One that fails again at once comes back while we look; it is not taken a second time.
        ours: set[str] = set()
        for case in cases:
            if case.message_id in ours:
                continue
            job = case.job
            with _told(
                f"Dead letter {case.message_id} stays, its job as it was: redrive it again."
            ):
                new_id, fresh = self._operations.redrive(
                    job,
                    case.message_id,
                    partial(self._dlq.send_back, case.letter),
                    opening=job is not None and job.id not in opened,
                )
            ours.add(new_id)
            if job is not None:
                opened.add(job.id)
            with _told(
                f"Dead letter {case.message_id} is back as {new_id} and was not deleted: drop it,"
                " or redrive it by its id, which does no harm."
            ):
                deleted = self._deleted(case)
            yield Redriven(case, new_id, fresh, left_behind=not deleted)

    def _deleted(self, case: Case) -> bool:
        """Delete the letter; False if somebody else holds it."""
        try:
            self._dlq.delete(case.letter)
        except StaleReceipt:
            return False
        return True

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
        named: str | None = None
        try:
            envelope = open_envelope(
                letter.message, max_body_bytes=self._max_body_bytes, learned=learned.append
            )
            job_type = known or envelope.job_type
            named = asked_for(envelope)
        except MessageError:
            job_type = known or UNREADABLE
            learned = learned or [correlation_of(letter.message)]
        correlation_id = learned[0]
        if correlation_id == letter.message_id:
            # It had none, and goes by its message id.
            correlation_id = job.correlation_id if job else ""
        return Case(letter, job, job_type, correlation_id, named)


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
    if job.status not in _RETRYABLE:
        raise CommandRefused("job_finished", f"Job {job.key} has ended: it is {job.status}.")
    redriven = () if triage is None else tuple(triage.redrive_job(job))
    if redriven:
        return Retried(job.key, JobStatus(operations.job(job.key).status), redriven)
    body = stored_body(job)
    if body is None:
        raise CommandRefused(
            "message_missing",
            "The job's message is not on the dead-letter queue and its payload was erased:"
            " it has to be submitted again.",
        )
    status = operations.retry(job)
    if status is JobStatus.SUCCEEDED:
        return Retried(job.key, status)
    # It asks for nothing new: what was asked for since stays the latest.
    message_id = queue.send(body, job.correlation_id, first_sent_at=job.asked_at)
    operations.sent(job, message_id)
    return Retried(job.key, status, new_message_id=message_id)


@contextmanager
def _told(note: str) -> Iterator[None]:
    """What fails inside says this too, in a line of its own."""
    try:
        yield
    except WorkerError as error:
        error.add_note(note)
        raise


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
