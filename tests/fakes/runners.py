"""A runner whose jobs and clock are a test's own, on a real ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.fakes.ledger import LedgerBench, connector
from worker.errors import WorkerError
from worker.execution import Execution
from worker.jobs.context import JobContext
from worker.jobs.courier import Courier
from worker.jobs.deliveries import DeliveryReceipt
from worker.jobs.registry import Job, JobOutput, Registry
from worker.ledger.models import JsonObject, NewDelivery
from worker.logs import correlated
from worker.queue.envelope import Envelope, correlation_of
from worker.queue.keeper import Keeper
from worker.queue.sqs import Message
from worker.runner import Runner
from worker.settings import IMPACT_ASSESSMENT, Settings
from worker.shutdown import StopSignal
from worker.verdicts import Verdict


@dataclass
class Clock:
    """The monotonic clock, and the hours that a test has let pass."""

    passed_s: float = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.passed_s


@dataclass
class Patient:
    """A job that works until it is told to stop, or until its test has seen enough."""

    during: Callable[[], None]
    until: Callable[[], bool] = lambda: False
    type: str = IMPACT_ASSESSMENT
    key: str = "job-0001"
    payload_hash: str = "hash"
    payload: JsonObject = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    optional_layers: tuple[str, ...] = ()

    def run(self, context: JobContext) -> JobOutput:
        self.during()
        ends_at = time.monotonic() + 20
        while time.monotonic() < ends_at and not self.until():
            context.interruption.checkpoint()
            time.sleep(0.01)
        return JobOutput({"done": True})

    def started(self) -> tuple[NewDelivery, ...]:
        return ()

    def failed(self, _: WorkerError) -> tuple[NewDelivery, ...]:
        return ()


@dataclass
class PatientType:
    """Each message is the next of the jobs, and every further one the last."""

    jobs: list[Patient]
    name: str = IMPACT_ASSESSMENT
    layer_sets: tuple[tuple[str, ...], ...] = ()

    def accept(self, _: Envelope) -> Job:
        return self.jobs.pop(0) if len(self.jobs) > 1 else self.jobs[0]


class NothingToSend:
    def deliver(
        self,
        kind: str,
        payload: Mapping[str, object],
        *,
        reference: str,
        attempts: int,
        before_send: Callable[[], None],
    ) -> DeliveryReceipt:
        raise AssertionError(f"{kind} {reference} {attempts} {payload}")


def runner(
    bench: LedgerBench,
    keeper: Keeper,
    clock: Clock,
    job: Patient,
    renewed: list[int],
    *more: Patient,
) -> Runner:
    settings = Settings.load()
    courier = Courier(
        bench.outbox,
        NothingToSend(),
        backoff_base_s=1,
        notices=lambda *_: (),
        on_progress=lambda _: None,
    )
    execution = Execution(
        settings,
        bench.ledger,
        courier,
        keeper,
        StopSignal(30),
        renew_visibility=lambda _, seconds: renewed.append(seconds),
        report=lambda _: None,
        clock=clock,
    )
    return Runner(
        settings,
        Registry((PatientType([job, *more]),)),
        connector(bench.url),
        bench.ledger,
        execution,
        worker_id="worker-a",
        max_receives=3,
        unreadable=lambda *_: (),
    )


def handle(one: Runner, message: Message) -> Verdict:
    """As the loop does it: what is logged meanwhile is about this message."""
    with correlated(correlation_of(message)):
        return one.handle(message)
