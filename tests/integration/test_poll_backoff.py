"""A queue that refuses every poll is asked at growing intervals, never more than half a minute."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.fakes.consumers import consumer
from tests.fakes.sqs_bench import SqsBench
from tests.fakes.sqs_server import OVER_LIMIT, SqsServer
from worker.errors import EX_OK
from worker.jobs.courier import Round
from worker.queue.keeper import Keeper
from worker.queue.sqs import Message, SqsQueue
from worker.shutdown import StopSignal
from worker.verdicts import Verdict


@dataclass
class Hurried(StopSignal):
    """Waits are noted instead of waited for; after so many of them a stop is asked for."""

    most: int
    waits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(30)

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        if len(self.waits) == self.most:
            self.request()
        return self.requested


class NothingToHandle:
    def handle(self, message: Message) -> Verdict:
        raise AssertionError(message)

    def write_left(self) -> None:
        pass

    def deliver_overdue(self) -> Round:
        raise AssertionError("an unreachable queue is no idle time")


def test_waits_between_refused_polls_grow_differ_and_stay_below_half_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SQS_WAIT_TIME_SECONDS", "0")
    stop, keeper = Hurried(40), Keeper(1)
    keeper.start()
    with SqsServer() as double:
        url = SqsBench(double.client).queue()
        double.misbehave_always("ReceiveMessage", OVER_LIMIT)
        queue = SqsQueue(double.client, url)
        assert consumer(queue, NothingToHandle(), keeper, stop).run() == EX_OK
    keeper.close()

    for failure, wait_s in enumerate(stop.waits, start=1):
        assert min(2.0**failure, 30) / 2 <= wait_s <= min(2.0**failure, 30)
    assert len(set(stop.waits)) == len(stop.waits), "two workers do not ask at the same moments"
