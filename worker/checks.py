"""What the daemon asks its dependencies at the start: one clear line for what is missing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from worker.clients.backend import BackendClient
from worker.clients.db import Database
from worker.clients.domains import database_of
from worker.clients.notify import NotifyClient
from worker.errors import (
    EX_UNAVAILABLE,
    ConfigurationError,
    DatabaseBehind,
    StartError,
    WorkerError,
)
from worker.logs import logger
from worker.migrations import runner as migrations
from worker.queue.sqs import QueueAttributes, RedrivePolicy, SqsQueue, make_sqs_client
from worker.settings import DOMAINS, AwsSettings, QueueSettings, Settings

_log = logger(__name__)

_NO_QUEUE = "The queue cannot be reached."


def client_problems(settings: Settings) -> tuple[str, ...]:
    """What keeps a client from being made of its settings, one line each: asks nobody."""
    problems: list[str] = []
    asked: tuple[Callable[[], object], ...] = (
        lambda: Database.check_settings(settings.database),
        *(
            partial(database_of, domain, settings)
            for domain in DOMAINS
            if settings.database.of(domain) is not settings.database
        ),
        lambda: BackendClient(settings.backend).close(),
        lambda: NotifyClient(settings.notify, settings.runtime),
    )
    for check in asked:
        try:
            check()
        except ConfigurationError as error:
            problems.extend(error.problems)
    return tuple(problems)


def check_database(database: Database) -> None:
    """The database answers and is migrated; one ahead of this worker is only warned about.

    Raises StartError ``database_unavailable``, or DatabaseBehind.
    """
    try:
        database.probe()
        with database.connection() as connection:
            current = migrations.current_of(connection)
    except WorkerError as error:
        raise _missing("database_unavailable", "The database cannot be reached.", error) from error
    head = migrations.head()
    if current == head:
        return
    if current is not None and current > head:
        _log.warning("database.ahead", current=current, head=head)
        return
    raise DatabaseBehind(f"at {current or 'nothing'}, needs {head}")


def open_queue(settings: QueueSettings, aws: AwsSettings) -> SqsQueue:
    """The queue of the settings, with a client of its own for polls; asks for credentials only.

    Raises StartError ``queue_unavailable``.
    """
    try:
        client = make_sqs_client(aws, 0)
        polling = make_sqs_client(aws, settings.sqs_wait_time_seconds)
    except WorkerError as error:
        raise _missing("queue_unavailable", _NO_QUEUE, error) from error
    return SqsQueue(client, settings.sqs_queue_url, polling=polling)


def check_queue(queue: SqsQueue, settings: QueueSettings, aws: AwsSettings) -> RedrivePolicy:
    """The queue is there; warns about a dead-letter queue that is missing.

    Of one that SQS_DLQ_URL names, also if it is another queue's, or forgets too early.
    Raises StartError ``queue_unavailable``.
    """
    try:
        attributes = queue.attributes()
    except WorkerError as error:
        raise _missing("queue_unavailable", _NO_QUEUE, error) from error
    redrive = attributes.redrive
    if redrive.dead_letter_arn is None:
        _log.warning("dlq.missing", queue=settings.sqs_queue_url)
    elif settings.sqs_dlq_url:
        _check_dead_letters(attributes, settings.sqs_dlq_url, aws)
    return redrive


def _check_dead_letters(queue: QueueAttributes, dlq_url: str, aws: AwsSettings) -> None:
    try:
        dlq = SqsQueue(make_sqs_client(aws, 0), dlq_url).attributes()
    except WorkerError as error:
        _log.warning("dlq.missing", queue=dlq_url, error_code=error.code)
        return
    if dlq.arn != queue.redrive.dead_letter_arn:
        _log.warning("dlq.other", queue=dlq_url, moved_to=queue.redrive.dead_letter_arn)
        return
    # A message keeps its age when it moves: a DLQ that keeps it no longer than the queue may
    # delete it on arrival.
    if dlq.retention_s <= queue.retention_s:
        _log.warning("dlq.retention", queue_s=queue.retention_s, dlq_s=dlq.retention_s)


def _missing(code: str, sentence: str, error: WorkerError) -> StartError:
    return StartError(code, sentence, exit_code=EX_UNAVAILABLE, detail=str(error))
