"""Puts the daemon's parts together and asks each dependency, once, whether it is there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from worker import checks, job_types
from worker.boundary.sandbox import Sandbox
from worker.clients.backend import BackendClient
from worker.clients.db import Database
from worker.clients.ecs import TaskProtection
from worker.clients.notify import NotifyClient
from worker.clients.s3 import BoundaryStore
from worker.consumer import Consumer, Idle, MessageQueue
from worker.errors import WorkerError
from worker.execution import Execution
from worker.health import HealthProcess
from worker.jobs.courier import Courier
from worker.jobs.deliveries import Deliverer
from worker.jobs.notices import Notices, Subject
from worker.jobs.registry import Registry
from worker.jobs.stored import restored
from worker.ledger.ledger import Ledger
from worker.ledger.models import NewDelivery, StoredJob
from worker.ledger.outbox import Outbox
from worker.ledger.reaper import reap
from worker.ledger.retention import erase_personal_data
from worker.ledger.stock import take_stock
from worker.logs import correlated, logger
from worker.progress import Phase, Progress
from worker.queue.keeper import Keeper
from worker.queue.sqs import Message
from worker.readiness import DATABASE, Gate, Probe
from worker.reference.versions import active_versions
from worker.runner import Runner
from worker.settings import DELIVERY_CLAIM_S, Settings
from worker.shutdown import StopSignal

_log = logger(__name__)

# No backoff is longer than 72 minutes: an open job that is untouched for longer lost its message.
_STRANDED_AFTER_S = 4500.0


@dataclass(frozen=True, slots=True)
class Source:
    """Where messages come from, how they are kept invisible, and how often they are handed out.

    ``strands_after``: the receive after which a message moves to the dead-letter queue, if any.
    """

    queue: MessageQueue
    renew_visibility: Callable[[Message, int], None]
    max_receives: int | None
    strands_after: int | None = None


def sqs_source(settings: Settings) -> Source:
    """The queue of the settings; raises StartError ``queue_unavailable``."""
    queue = checks.open_queue(settings.queue, settings.aws)
    redrive = checks.check_queue(queue, settings.queue, settings.aws)
    count = redrive.max_receive_count
    return Source(queue, queue.set_visibility, count, strands_after=count)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the process has before its consumer; what has to be closed is left to ``stack``."""

    settings: Settings
    stop: StopSignal
    health: HealthProcess
    worker_id: str
    stack: ExitStack


def assemble(
    parts: Parts, source_of: Callable[[Settings], Source], *, enough: Callable[[Idle], bool]
) -> Consumer:
    """The consumer, ready to run; ``enough`` says whether an idle loop ends.

    Raises StartError (exit code 69) naming the dependency that is missing.
    """
    settings, stop, health, stack = parts.settings, parts.stop, parts.health, parts.stack
    database = stack.enter_context(Database.from_settings(settings))
    checks.check_database(database)
    source = source_of(settings)
    keeper = Keeper(settings.worker.renewal_interval_s)
    keeper.start()
    stack.callback(keeper.close)

    ledger = Ledger(database.connection)
    store = BoundaryStore(settings.aws)
    notices = Notices(settings.notify)
    sandbox = stack.enter_context(Sandbox(settings.boundary, settings.gcn))
    registry = job_types.registry(settings, database, store, sandbox, notices)
    outbox = Outbox(database.connection, claim_s=DELIVERY_CLAIM_S)
    courier = Courier(
        outbox,
        _deliverer(settings, stack),
        backoff_base_s=settings.worker.worker_backoff_base_seconds,
        notices=notices.rejected,
        on_progress=lambda job: health.report(
            Progress(Phase.DELIVERING, settings.health.health_delivery_limit_seconds, job=job)
        ),
    )
    execution = Execution(
        settings,
        ledger,
        courier,
        keeper,
        stop,
        renew_visibility=source.renew_visibility,
        report=health.report,
    )
    runner = Runner(
        settings,
        registry,
        database.connection,
        ledger,
        execution,
        worker_id=parts.worker_id,
        max_receives=source.max_receives,
        unreadable=notices.unreadable,
    )
    # Last: the child starts up while the first poll waits, not while this process still imports.
    sandbox.warm()
    return Consumer(
        settings,
        source.queue,
        runner,
        keeper,
        _gate(settings, database, registry, store, runner, outbox),
        _protection(settings),
        stop,
        report=health.report,
        health_alive=lambda: health.alive,
        renew_visibility=source.renew_visibility,
        housekeeping=lambda: _keep_house(database, settings, registry, notices),
        measure=lambda: _measure(database) if settings.metrics_on else None,
        strands_after=source.strands_after,
        enough=enough,
    )


def _deliverer(settings: Settings, stack: ExitStack) -> Deliverer:
    version = settings.runtime.service_version
    backend = stack.enter_context(BackendClient(settings.backend, version=version))
    return Deliverer(backend, NotifyClient(settings.notify, settings.runtime))


def _protection(settings: Settings) -> TaskProtection:
    worker = settings.worker
    longest_job_s = max(worker.time_limit_s(name) for name in worker.worker_job_types)
    # After the job come its deliveries, which have the limit of an assessment.
    longest_s = longest_job_s + worker.worker_job_timeout_seconds
    return TaskProtection(settings.ecs.ecs_agent_uri, longest_s=longest_s)


def _gate(
    settings: Settings,
    database: Database,
    registry: Registry,
    store: BoundaryStore,
    runner: Runner,
    outbox: Outbox,
) -> Gate:
    def reference_data() -> None:
        with database.connection() as connection:
            active = active_versions(connection)
        for job_type in registry.types:
            active.require_one_of(job_type.layer_sets)

    def ask_again(fault: WorkerError) -> None:
        if fault.code.startswith("s3_"):
            store.probe()
        swept = runner.deliver_overdue(refused_as=fault.code)
        if swept.fault is not None:
            raise swept.fault
        if outbox.is_refused(fault.code):
            # It got no answer, or another worker is asking with it right now: neither proves that
            # we are taken again.
            raise fault

    return Gate(
        (Probe(DATABASE, database.probe), Probe("reference data", reference_data)),
        ask_again,
        pause_s=settings.worker.worker_configuration_pause_seconds,
    )


def _measure(database: Database) -> None:
    stock = take_stock(database.connection, stranded_after_s=_STRANDED_AFTER_S)
    _log.debug(
        "ledger.measured",
        deliveries_pending=stock.deliveries_pending,
        oldest_delivery_s=round(stock.oldest_delivery_s, 1),
        jobs_stranded=stock.jobs_stranded,
    )


def _keep_house(
    database: Database, settings: Settings, registry: Registry, notices: Notices
) -> None:
    """What an idle worker does for all that run its types of job: end what nobody works on.

    And for all workers: erase what is past its time.
    """

    def told(stored: StoredJob, error: WorkerError) -> tuple[NewDelivery, ...]:
        limit = settings.queue.sqs_max_body_bytes
        job = restored(stored, registry, max_body_bytes=limit)
        return notices.failed(Subject(stored.key), error) if job is None else job.failed(error)

    for job in reap(
        database.connection,
        types=[one.name for one in registry.types],
        pending_limit_s=settings.worker.worker_pending_limit_seconds,
        notices=told,
    ):
        with correlated(job.correlation_id):
            _log.warning(
                "job.reaped",
                job_id=job.key,
                job_type=job.type,
                status=job.status,
                error_code=job.error_code,
            )
    _erase(database, settings)


def _erase(database: Database, settings: Settings) -> None:
    erased = erase_personal_data(database.connection, retention_days=settings.worker.retention_days)
    if erased:
        _log.info("personal_data.erased", jobs=erased)
