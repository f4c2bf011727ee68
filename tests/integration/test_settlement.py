"""What becomes of a message on its queue, and what is said of it."""

from __future__ import annotations

import pytest
from structlog.testing import LogCapture

from tests.fakes.sqs_bench import SqsBench
from tests.fakes.sqs_server import SqsServer
from worker.queue.sqs import Message, SqsQueue
from worker.settings import MAX_VISIBILITY_S
from worker.settlement import Settlement
from worker.verdicts import Action, Verdict

HOUR_S = 3600


@pytest.mark.parametrize("asked_h", [1, 18])
def test_a_release_is_told_as_the_queue_keeps_it(log: LogCapture, asked_h: int) -> None:
    with SqsServer() as double:
        bench = SqsBench(double.client)
        url = bench.queue()
        bench.send(url, "{}")
        queue = SqsQueue(double.client, url)

        def received() -> tuple[Message, ...]:
            return queue.receive(max_messages=1, wait_s=0, visibility_s=30)

        (message,) = received()
        verdict = Verdict(Action.RELEASE, asked_h * HOUR_S)
        Settlement(queue, strands_after=None).settle(message, verdict)
        (line,) = [entry for entry in log.entries if entry["event"] == "message.released"]
        delay_s = line["delay_s"]

        double.clock.pass_time(delay_s - 60)
        assert received() == ()
        double.clock.pass_time(60)
        assert len(received()) == 1

    assert min(asked_h * HOUR_S, MAX_VISIBILITY_S - 60) <= delay_s <= MAX_VISIBILITY_S
