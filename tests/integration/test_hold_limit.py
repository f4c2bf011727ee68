"""A message is held for 11 h 30 at most: half an hour later SQS would hand it to somebody else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.fakes.consumers import consumer
from tests.fakes.ledger import LedgerBench, connector
from tests.fakes.messages import assessment_body, message
from worker.demo.aws import AwsEmulator, QueuePair
from worker.errors import EX_TEMPFAIL, WorkerError
from worker.execution import Execution
from worker.jobs.context import JobContext
from worker.jobs.courier import Courier, Round
from worker.jobs.deliveries import DeliveryReceipt
from worker.jobs.registry import Job, JobOutput, Registry
from worker.ledger.models import JsonObject, NewDelivery
from worker.queue.envelope import Envelope
from worker.queue.keeper import Keeper
from worker.queue.sqs import Message, SqsQueue
from worker.runner import Runner
from worker.settings import IMPACT_ASSESSMENT, Settings
from worker.shutdown import StopSignal
from worker.verdicts import DELETE, Action, Verdict

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

ALMOST_S = 11.5 * 3600 - 60
TOO_LONG_S = 11.5 * 3600


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
    job: Patient
    name: str = IMPACT_ASSESSMENT
    layer_sets: tuple[tuple[str, ...], ...] = ()

    def accept(self, _: Envelope) -> Job:
        return self.job


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


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    one = Keeper(0.05)
    one.start()
    yield one
    one.close()


def runner(
    bench: LedgerBench, keeper: Keeper, clock: Clock, job: Patient, renewed: list[int]
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
        Registry((PatientType(job),)),
        connector(bench.url),
        bench.ledger,
        execution,
        worker_id="worker-a",
        max_receives=3,
        unreadable=lambda *_: (),
    )


def test_a_job_that_outlasts_the_hold_is_handed_back_uncounted(
    database_url: str, keeper: Keeper
) -> None:
    bench, clock, renewed = LedgerBench(database_url), Clock(), list[int]()

    def pass_time() -> None:
        clock.passed_s = TOO_LONG_S

    verdict = runner(bench, keeper, clock, Patient(pass_time), renewed).handle(
        message(assessment_body())
    )

    assert (verdict.action, verdict.delay_s) == (Action.RELEASE, 0)
    assert renewed == [], "its visibility is not extended any more"
    assert bench.value("SELECT status::text FROM jobs.job") == "PENDING"
    assert bench.value("SELECT attempts FROM jobs.job") == 0
    assert bench.value("SELECT error_code FROM jobs.assignment") == "message_held_too_long"


def test_until_then_it_is_kept(database_url: str, keeper: Keeper) -> None:
    bench, clock, renewed = LedgerBench(database_url), Clock(), list[int]()

    def pass_time() -> None:
        clock.passed_s = ALMOST_S

    job = Patient(pass_time, until=lambda: len(renewed) >= 3)
    verdict = runner(bench, keeper, clock, job, renewed).handle(message(assessment_body()))

    assert verdict == DELETE
    assert bench.value("SELECT status::text FROM jobs.job") == "SUCCEEDED"


@dataclass
class SlowRunner:
    """Takes half a day for each message."""

    clock: Clock
    handled: list[Message] = field(default_factory=list)

    def handle(self, message: Message) -> Verdict:
        self.handled.append(message)
        self.clock.passed_s += TOO_LONG_S
        return DELETE

    def write_left(self) -> None:
        pass

    def deliver_overdue(self) -> Round:
        return Round()


class Tomorrow(SqsQueue):
    """What it releases is received anew on a day with nothing behind it."""

    def __init__(self, client: SQSClient, url: str, clock: Clock) -> None:
        super().__init__(client, url)
        self._clock_of_test = clock

    def release(self, message: Message, seconds: int) -> int:
        self._clock_of_test.passed_s = 0
        return super().release(message, seconds)


def test_a_message_that_waited_too_long_behind_another_is_released_unprocessed(
    aws: AwsEmulator, queue: QueuePair, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQS_MAX_MESSAGES", "10")
    monkeypatch.setenv("SQS_WAIT_TIME_SECONDS", "1")
    monkeypatch.setenv("WORKER_MAX_JOBS", "2")
    sent = {
        aws.sqs.send_message(QueueUrl=queue.url, MessageBody="{}")["MessageId"] for _ in range(2)
    }
    clock = Clock()
    slow, sqs = SlowRunner(clock), Tomorrow(aws.sqs, queue.url, clock)

    assert consumer(sqs, slow, keeper, StopSignal(30), clock).run() == EX_TEMPFAIL

    assert {one.message_id for one in slow.handled} == sent
    assert [one.receive_count for one in slow.handled] == [1, 2], "received anew before it ran"
