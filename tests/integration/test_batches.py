"""What one poll brings: how many messages, and one of them twice, as a standard queue may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from structlog.testing import LogCapture

from tests.fakes.consumers import consumer
from tests.fakes.sqs_bench import SqsBench
from tests.fakes.sqs_server import SqsServer
from tests.fakes.tcp_proxy import TcpProxy
from worker.errors import EX_OK, EX_TEMPFAIL
from worker.jobs.courier import Round
from worker.queue.keeper import Keeper
from worker.queue.sqs import Message, SqsQueue, make_sqs_client
from worker.settings import AwsSettings
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
    during: Callable[[], None] = lambda: None
    handled: list[str] = field(default_factory=list)

    def handle(self, message: Message) -> Verdict:
        self.handled.append(message.message_id)
        self.during()
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


def test_a_poll_brings_no_more_than_may_still_be_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQS_WAIT_TIME_SECONDS", "0")
    monkeypatch.setenv("SQS_MAX_MESSAGES", "2")
    monkeypatch.setenv("WORKER_MAX_JOBS", "3")
    stop, keeper = StopSignal(30), Keeper(1)
    runner = Noting(stop)
    keeper.start()
    with SqsServer() as double:
        bench = SqsBench(double.client)
        url = bench.queue()
        sent = {bench.send(url) for _ in range(4)}
        queue = SqsQueue(double.client, url)
        assert consumer(queue, runner, keeper, stop).run() == EX_TEMPFAIL
        (left,) = bench.receive(url)
    keeper.close()

    assert left["Attributes"]["ApproximateReceiveCount"] == "1", "not spent on a poll in vain"
    assert {*runner.handled, left["MessageId"]} == sent


def test_a_stop_asks_a_silent_queue_once_for_a_whole_batch(
    monkeypatch: pytest.MonkeyPatch, log: LogCapture
) -> None:
    monkeypatch.setenv("SQS_WAIT_TIME_SECONDS", "0")
    monkeypatch.setenv("SQS_MAX_MESSAGES", "10")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    stop, keeper = StopSignal(30), Keeper(60)
    keeper.start()
    with SqsServer() as double:
        bench = SqsBench(double.client)
        url = bench.queue()
        sent = [bench.send(url) for _ in range(3)]
        host, port = double.endpoint_url.removeprefix("http://").split(":")
        with TcpProxy(host, int(port)) as proxy:
            through = AwsSettings(aws_endpoint_url=f"http://127.0.0.1:{proxy.port}")
            # A time-out of one second.
            queue = SqsQueue(make_sqs_client(through, -8), url)

            def fall_silent() -> None:
                proxy.silence()
                stop.request()

            runner = Noting(stop, fall_silent)
            assert consumer(queue, runner, keeper, stop).run() == EX_OK
        double.clock.pass_time(300)
        again = bench.receive(url, most=10)
    keeper.close()

    settled = [one["event"] for one in log.entries if one["event"].startswith("message.")]
    assert settled == ["message.unsettled", "message.kept", "message.kept"]
    assert len(runner.handled) == 1
    assert sorted(one["MessageId"] for one in again) == sorted(sent)
