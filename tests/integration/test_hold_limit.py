"""A message is held for 11 h 30 at most: half an hour later SQS would hand it to somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.fakes.consumers import consumer
from tests.fakes.ledger import LedgerBench
from tests.fakes.messages import assessment_body, message
from tests.fakes.runners import Clock, Patient, handle, runner
from worker.demo.aws import AwsEmulator, QueuePair
from worker.errors import EX_TEMPFAIL
from worker.jobs.courier import Round
from worker.queue.keeper import Keeper
from worker.queue.sqs import Message, SqsQueue
from worker.shutdown import StopSignal
from worker.verdicts import DELETE, Action, Verdict

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

ALMOST_S = 11.5 * 3600 - 60
TOO_LONG_S = 11.5 * 3600


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    one = Keeper(0.05)
    one.start()
    yield one
    one.close()


def test_a_job_that_outlasts_the_hold_is_handed_back_uncounted(
    database_url: str, keeper: Keeper
) -> None:
    bench, clock, renewed = LedgerBench(database_url), Clock(), list[int]()

    def pass_time() -> None:
        clock.passed_s = TOO_LONG_S

    one = runner(bench, keeper, clock, Patient(pass_time), renewed)
    verdict = handle(one, message(assessment_body()))

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
    verdict = handle(runner(bench, keeper, clock, job, renewed), message(assessment_body()))

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
