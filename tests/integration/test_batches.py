"""One batch may hold a message twice: standard queues deliver at least once."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.fakes.consumers import consumer
from tests.fakes.sqs_bench import SqsBench
from tests.fakes.sqs_server import SqsServer
from worker.errors import EX_OK
from worker.jobs.courier import Round
from worker.queue.keeper import Keeper
from worker.queue.sqs import Message, SqsQueue
from worker.shutdown import StopSignal
from worker.verdicts import DELETE, Verdict


class Twice(SqsQueue):
    """Hands each message out twice in one batch."""

    def receive(self, *, max_messages: int, wait_s: int, visibility_s: int) -> tuple[Message, ...]:
        messages = super().receive(
            max_messages=max_messages, wait_s=wait_s, visibility_s=visibility_s
        )
        return (*messages, *messages)


@dataclass
class Noting:
    """Deletes everything, and stops its worker once there is nothing more."""

    stop: StopSignal
    handled: list[str] = field(default_factory=list)

    def handle(self, message: Message) -> Verdict:
        self.handled.append(message.message_id)
        return DELETE

    def write_left(self) -> None:
        pass

    def deliver_overdue(self) -> Round:
        self.stop.request()
        return Round()


def test_a_message_that_stands_twice_in_a_batch_is_handled_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SQS_WAIT_TIME_SECONDS", "0")
    monkeypatch.setenv("SQS_MAX_MESSAGES", "10")
    stop, keeper = StopSignal(30), Keeper(1)
    runner = Noting(stop)
    keeper.start()
    with SqsServer() as double:
        bench = SqsBench(double.client)
        url = bench.queue()
        sent = [bench.send(url) for _ in range(2)]
        twice = Twice(double.client, url)
        assert consumer(twice, runner, keeper, stop).run() == EX_OK
        assert bench.counts(url) == (0, 0, 0)
    keeper.close()

    assert sorted(runner.handled) == sorted([*sent, *sent])
