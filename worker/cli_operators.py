"""What operators do about jobs and dead letters."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from worker import errors
from worker.cli_tools import console, open_database, read_settings
from worker.logs.printing import printable_line

if TYPE_CHECKING:
    from types_boto3_sqs.type_defs import MessageAttributeValueTypeDef

    from worker.jobs.triage import Dropped, Redriven, Triage
    from worker.ledger.operations import Operations
    from worker.queue.dlq import Look
    from worker.queue.sqs import SqsQueue

jobs_app = typer.Typer(help="What the ledger knows about jobs.", no_args_is_help=True)
dlq_app = typer.Typer(
    help="The dead-letter queue; what is looked at is hidden from others for a moment.",
    no_args_is_help=True,
)

Key = Annotated[str, typer.Argument(help="Job id, or a quote's reference if one job has it.")]
LetterId = Annotated[str, typer.Argument(metavar="ID", help="SQS message id or job id.")]


@jobs_app.command("list")
def list_jobs(
    status: Annotated[str | None, typer.Option(help="PENDING, FAILED, SUCCEEDED …")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """The newest jobs first."""
    from worker.ledger import queries
    from worker.ledger.models import JobStatus
    from worker.reports.jobs_text import print_jobs

    wanted = None
    if status is not None:
        known = {one.value for one in JobStatus}
        if status.upper() not in known:
            raise typer.BadParameter(f"one of {', '.join(sorted(known))}")
        wanted = JobStatus(status.upper())
    with open_database(read_settings()) as database, database.connection() as connection:
        print_jobs(queries.list_jobs(connection, status=wanted, limit=limit), console())


@jobs_app.command("show")
def show_job(
    wanted: Annotated[
        str,
        typer.Argument(
            help="Job id, quote's reference, message id, or its first message's correlation id."
        ),
    ],
) -> None:
    """A job's whole story: messages, attempts, leases, data versions, deliveries, errors."""
    from worker.ledger.queries import find_interventions, find_jobs
    from worker.reports.jobs_text import print_interventions, print_story

    with open_database(read_settings()) as database, database.connection() as connection:
        stories = find_jobs(connection, wanted)
        loose = () if stories else find_interventions(connection, wanted)
    if not stories and not loose:
        raise errors.CommandRefused("job_not_found", f"The ledger knows no job {wanted}.")
    for story in stories:
        print_story(story, console())
    print_interventions(loose, console())


@jobs_app.command("cancel")
def cancel_job(
    key: Key,
    reason: Annotated[str | None, typer.Option(help="Why; kept with the job.")] = None,
) -> None:
    """End a job for good: a running one stops at its next renewal, nothing more is sent."""
    from worker.ledger.operations import Operations

    with open_database(read_settings()) as database:
        operations = Operations(database.connection, made_by=getpass.getuser())
        job = operations.job(key)
        operations.cancel(job, reason)
    _say(f"{job.key} is CANCELLED, it was {job.status}")


@jobs_app.command("retry")
def retry_job(key: Key) -> None:
    """Open a failed job again, and make sure that a message brings it."""
    from worker.jobs.triage import retry

    with _desk() as desk:
        retried = retry(key, desk.operations, desk.triage, desk.queue)
    _say(f"{retried.key} is {retried.status}")
    for one in retried.redriven:
        _say_redriven(one)
    if retried.new_message_id:
        _say(f"its message is on the queue, made from the ledger: {retried.new_message_id}")
    elif not retried.redriven:
        _say("its result is stored: an idle worker makes its deliveries, no message is needed")


@dlq_app.command("list")
def list_letters(
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
) -> None:
    """Dead letters with what the ledger knows: error, and whether they are stranded."""
    from worker.reports.masking import masked_text

    with _desk() as desk:
        letters = desk.dead_letters()
        cases = letters.list(limit=limit)
    now = datetime.now(UTC)
    # Lines rather than a table: ids have to be copied whole, and a quote's is 75 long.
    for case in cases:
        job, message = case.job, case.letter.message
        state = job.status if job else "unknown to the ledger"
        _say(
            f"{case.message_id}  {_age(message.sent_at, now)}  {case.job_type}"
            f"  receives {message.receive_count}  {'stranded: ' if case.stranded else ''}{state}"
        )
        _say(f"  job {case.job_key or '-'}  correlation id {case.correlation_id or '-'}")
        if job and job.error_code:
            _say(f"  {job.error_code}: {masked_text(job.error_sentence or '')}")
    count, stranded = f"{len(cases)} dead letters", sum(case.stranded for case in cases)
    if not letters.look.complete and letters.look.counted > len(cases):
        count = f"the first {len(cases)} of about {letters.look.counted} dead letters"
    _say(f"{count}, {stranded} stranded")
    _say_overlooked(letters.look)


@dlq_app.command("show")
def show_letter(
    wanted: LetterId,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show addresses and coordinates too.")
    ] = False,
) -> None:
    """A dead letter's attributes and body, personal data masked."""
    from worker.reports.masking import masked_text, shown_body

    with _desk() as desk:
        letters = desk.dead_letters()
        cases = letters.find(wanted)
    for case in cases:
        message, job = case.letter.message, case.job
        _say(f"message {case.message_id}")
        sent = f"{message.sent_at:%Y-%m-%d %H:%M:%S}" if message.sent_at else "?"
        _say(f"sent {sent}  receives {message.receive_count}")
        _say(f"correlation id {case.correlation_id or '-'}")
        _say(f"job {case.job_key or '-'}  {job.status if job else 'unknown to the ledger'}")
        if job and job.error_code:
            sentence = job.error_sentence or ""
            _say(f"error {job.error_code}: {sentence if reveal else masked_text(sentence)}")
        for name, value in sorted(case.letter.attributes.items()):
            _say(f"attribute {name}  {value['DataType']}  {_attribute(name, value, reveal)}")
        for line in shown_body(message.body, reveal=reveal).split("\n"):
            _say(line)
    _say_overlooked(letters.look)


@dlq_app.command("redrive")
def redrive_letters(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Message ids or job ids.")
    ] = None,
    stranded: Annotated[
        bool, typer.Option("--stranded", help="Those whose job has not failed.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Every dead letter.")] = False,
    code: Annotated[str | None, typer.Option(help="With --all: only this error code.")] = None,
) -> None:
    """Put dead letters back on their queue; a failed job is open again before they arrive."""
    from worker.jobs.triage import Choice

    if [bool(ids), stranded, everything].count(True) != 1:
        raise typer.BadParameter("give either ids, --stranded or --all")
    if code is not None and not everything:
        raise typer.BadParameter("--code goes with --all")
    choice = Choice(frozenset(ids or ()), stranded, everything, code)
    done = 0
    with _desk() as desk:
        letters = desk.dead_letters()
        for one in letters.redrive(choice):
            _say_redriven(one)
            done += 1
    _say(f"{done} redriven")
    _say_overlooked(letters.look)


@dlq_app.command("drop")
def drop_letters(
    wanted: LetterId,
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")],
) -> None:
    """Throw a dead letter away for good."""
    if not reason.strip():
        raise typer.BadParameter("--reason has to say something")
    with _desk() as desk:
        letters = desk.dead_letters()
        for one in letters.drop(wanted, reason):
            _say_dropped(one)
    _say_overlooked(letters.look)


@dataclass(frozen=True, slots=True)
class _Desk:
    """What an operator's command works with; ``triage`` is None without SQS_DLQ_URL."""

    operations: Operations
    queue: SqsQueue
    triage: Triage | None

    def dead_letters(self) -> Triage:
        if self.triage is None:
            raise errors.ConfigurationError(("SQS_DLQ_URL is required",))
        return self.triage


@contextmanager
def _desk() -> Iterator[_Desk]:
    from worker.jobs.triage import Triage
    from worker.ledger.operations import Operations
    from worker.queue.dlq import DeadLetterQueue
    from worker.queue.sqs import SqsQueue, make_sqs_client

    settings = read_settings()
    if not settings.queue.sqs_queue_url:
        raise errors.ConfigurationError(("SQS_QUEUE_URL is required",))
    with open_database(settings) as database:
        operations = Operations(database.connection, made_by=getpass.getuser())
        client, queue = make_sqs_client(settings.aws, 1), settings.queue
        triage = None
        if queue.sqs_dlq_url:
            dlq = DeadLetterQueue(client, queue.sqs_dlq_url, queue.sqs_queue_url)
            if other := dlq.other():
                raise errors.ConfigurationError(
                    (f"SQS_DLQ_URL is not where the dead letters of SQS_QUEUE_URL go: {other}",)
                )
            triage = Triage(dlq, operations, max_body_bytes=queue.sqs_max_body_bytes)
        yield _Desk(operations, SqsQueue(client, queue.sqs_queue_url), triage)


def _attribute(name: str, value: MessageAttributeValueTypeDef, reveal: bool) -> str:
    from worker.logs.printing import printable
    from worker.reports.masking import shown_value

    if isinstance(binary := value.get("BinaryValue"), bytes):
        return f"{len(binary)} bytes"
    text = value.get("StringValue", "")
    return printable(text) if reveal else shown_value(name, text)


def _say_redriven(one: Redriven) -> None:
    _say(
        f"redriven {one.case.message_id}  as {one.new_id}  job {one.case.job_key or '-'}"
        f"  {'reopened' if one.reopened else ''}"
    )
    if one.left_behind:
        _say("  the dead letter is still there: somebody else held it; its twin is recognised")


def _say_dropped(one: Dropped) -> None:
    case = one.case
    if one.left_behind:
        _say(f"not dropped {case.message_id}: somebody else holds it, try again in a minute")
        return
    _say(f"dropped {case.message_id}  job {case.job_key or '-'}")
    if case.job is not None and case.job.status == "PENDING":
        _say(
            f"  its job is still open and times out without another message:"
            f" 'worker jobs cancel {case.job.key}' ends it now"
        )


def _say_overlooked(look: Look) -> None:
    if look.overlooked:
        _say(
            f"about {look.overlooked} more were not seen: somebody else may be looking at them,"
            " try again in a minute"
        )


def _say(text: str) -> None:
    """One line, whatever the messages and errors that it tells of hold."""
    console().print(printable_line(text), markup=False, highlight=False, soft_wrap=True)


def _age(sent_at: datetime | None, now: datetime) -> str:
    if sent_at is None:
        return "?"
    seconds = max(0, int((now - sent_at).total_seconds()))
    days, hours, minutes = seconds // 86_400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days}d {hours}h"
    return f"{hours}h {minutes}m" if hours else f"{minutes}m {seconds % 60}s"
