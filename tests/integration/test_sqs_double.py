"""What only the double can do: accidents on demand, hours that pass, any backlog at one cost."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from tests.fakes.sqs_bench import SqsBench, refused
from tests.fakes.sqs_broker import Broker, Clock
from tests.fakes.sqs_queue import Accident
from tests.fakes.sqs_server import (
    INTERNAL_ERROR,
    OVER_LIMIT,
    THROTTLED,
    SqsServer,
)
from worker.demo.fake_service import LOST_REPLY, Misbehaviour
from worker.errors import TransientError
from worker.queue.sqs import SqsQueue

HOUR_S = 3600.0


@pytest.fixture(scope="module")
def double() -> Iterator[SqsServer]:
    with SqsServer() as server:
        yield server


@pytest.fixture
def bench(double: SqsServer) -> Iterator[SqsBench]:
    one = SqsBench(double.client)
    yield one
    one.close()


def test_a_message_can_be_delivered_twice_and_the_first_handle_is_old_then(
    double: SqsServer, bench: SqsBench
) -> None:
    url = bench.queue()
    sent = bench.send(url)
    double.deliver_twice(url)
    first, second = bench.receive_one(url), bench.receive_one(url)
    assert first["MessageId"] == second["MessageId"] == sent
    bench.delete(url, first["ReceiptHandle"])
    assert bench.counts(url) == (0, 1, 0)
    bench.delete(url, second["ReceiptHandle"])
    assert bench.counts(url) == (0, 0, 0)


def test_a_message_that_is_delivered_twice_comes_again_although_it_was_deleted(
    double: SqsServer, bench: SqsBench
) -> None:
    url = bench.queue()
    for _ in range(5):
        sent = bench.send(url)
        double.deliver_twice(url)
        bench.delete(url, bench.receive_one(url)["ReceiptHandle"])
        again = bench.receive_one(url)
        assert (again["MessageId"], again["Attributes"]["ApproximateReceiveCount"]) == (sent, "2")
        bench.delete(url, again["ReceiptHandle"])
        assert bench.counts(url) == (0, 0, 0)
    assert double.no_more_accidents(url) == {Accident.TWICE: 5}


def test_an_accident_counts_when_it_comes_to_somebody(double: SqsServer, bench: SqsBench) -> None:
    url = bench.queue()
    bench.send(url)
    double.deliver_twice(url, 3)
    double.undelete(url, 3)
    bench.receive_one(url)
    assert double.no_more_accidents(url) == {}
    bench.delete(url, bench.receive_one(url)["ReceiptHandle"])
    assert double.no_more_accidents(url) == {Accident.TWICE: 1}
    assert bench.counts(url) == (0, 0, 0)


def test_a_batch_never_holds_the_same_message_twice(double: SqsServer, bench: SqsBench) -> None:
    url = bench.queue()
    for _ in range(3):
        bench.send(url)
    double.deliver_twice(url)
    ids = [message["MessageId"] for message in bench.receive(url, most=10)]
    assert len(ids) == len(set(ids))


def test_a_deleted_message_can_come_back_once(double: SqsServer, bench: SqsBench) -> None:
    url = bench.queue()
    sent = bench.send(url)
    double.undelete(url)
    bench.delete(url, bench.receive_one(url)["ReceiptHandle"])
    again = bench.receive_one(url)
    assert (again["MessageId"], again["Attributes"]["ApproximateReceiveCount"]) == (sent, "2")
    bench.delete(url, again["ReceiptHandle"])
    assert bench.counts(url) == (0, 0, 0)


def test_a_message_is_lent_for_twelve_hours_at_the_most(double: SqsServer, bench: SqsBench) -> None:
    url = bench.queue()
    bench.send(url)
    handle = bench.receive_one(url, visibility_s=43_200)["ReceiptHandle"]
    double.clock.pass_time(11 * HOUR_S)
    bench.change(url, handle, 3_000)
    with pytest.raises(ClientError) as caught:
        bench.change(url, handle, 4_000)
    assert refused(caught) == "InvalidParameterValue"
    double.clock.pass_time(HOUR_S)
    assert len(bench.receive(url)) == 1


def test_time_that_passes_ends_a_long_poll(double: SqsServer, bench: SqsBench) -> None:
    url = bench.queue()
    bench.send(url)
    bench.receive(url, visibility_s=7200)
    later = threading.Timer(0.3, double.clock.pass_time, (2 * HOUR_S,))
    later.start()
    assert len(bench.receive(url, wait_s=20)) == 1
    later.join()


def test_a_message_is_dropped_after_its_retention_and_a_dead_letter_keeps_its_age(
    double: SqsServer, bench: SqsBench
) -> None:
    pair = bench.pair(max_receives=1, MessageRetentionPeriod="3600")
    bench.send(pair.url, "soon dead")
    bench.receive(pair.url, visibility_s=0)
    bench.receive(pair.url)
    bench.send(pair.url, "never received")
    double.clock.pass_time(2 * HOUR_S)
    assert bench.counts(pair.url) == (0, 0, 0)
    bench.sqs.set_queue_attributes(
        QueueUrl=pair.dlq_url, Attributes={"MessageRetentionPeriod": "7000"}
    )
    assert bench.counts(pair.dlq_url) == (0, 0, 0), "it counts from the first sending"


def test_a_queue_that_was_just_deleted_or_purged_has_to_rest(
    double: SqsServer, bench: SqsBench
) -> None:
    url = bench.queue("resting")
    bench.sqs.purge_queue(QueueUrl=url)
    with pytest.raises(ClientError) as caught:
        bench.sqs.purge_queue(QueueUrl=url)
    assert refused(caught) == "PurgeQueueInProgress"
    bench.sqs.delete_queue(QueueUrl=url)
    with pytest.raises(ClientError) as caught:
        bench.queue("resting")
    assert refused(caught) == "QueueDeletedRecently"
    double.clock.pass_time(61)
    bench.queue("resting")


def test_a_moves_pace_is_kept(double: SqsServer, bench: SqsBench) -> None:
    pair = bench.pair(max_receives=1)
    for _ in range(10):
        bench.send(pair.dlq_url)
    bench.sqs.start_message_move_task(
        SourceArn=pair.dlq_arn, DestinationArn=pair.arn, MaxNumberOfMessagesPerSecond=1
    )
    double.clock.pass_time(5)
    assert 5 <= bench.counts(pair.url)[0] <= 7


@pytest.mark.parametrize(
    ("fault", "code"),
    [(INTERNAL_ERROR, "InternalError"), (THROTTLED, "RequestThrottled"), (OVER_LIMIT, "OverLimit")],
)
def test_a_fault_is_answered_as_often_as_asked_and_does_nothing(
    double: SqsServer, bench: SqsBench, fault: Misbehaviour, code: str
) -> None:
    url = bench.queue()
    bench.send(url)
    double.misbehave("ReceiveMessage", fault)
    with pytest.raises(ClientError) as caught:
        bench.receive(url)
    assert refused(caught) == code
    assert bench.receive_one(url)["Attributes"]["ApproximateReceiveCount"] == "1"


def test_each_fault_means_to_the_worker_that_the_queue_is_away_for_now(
    double: SqsServer, bench: SqsBench
) -> None:
    url = bench.queue()
    queue = SqsQueue(double.client, url)
    for fault in (INTERNAL_ERROR, THROTTLED, OVER_LIMIT, LOST_REPLY):
        double.misbehave("ReceiveMessage", fault)
        with pytest.raises(TransientError) as caught:
            queue.receive(max_messages=1, wait_s=0, visibility_s=30)
        assert caught.value.code == "queue_unavailable"


def test_a_lost_answer_has_taken_the_message_all_the_same(
    double: SqsServer, bench: SqsBench
) -> None:
    url = bench.queue()
    bench.send(url)
    double.misbehave("ReceiveMessage", LOST_REPLY)
    with pytest.raises(ConnectionClosedError):
        bench.receive(url)
    assert bench.counts(url) == (0, 1, 0)


def test_chosen_entries_of_a_batch_fail(double: SqsServer, bench: SqsBench) -> None:
    url = bench.queue()
    double.operations.failing_entries = frozenset({1})
    answer = bench.sqs.send_message_batch(
        QueueUrl=url, Entries=[{"Id": str(n), "MessageBody": "x"} for n in range(3)]
    )
    assert [one["Id"] for one in answer["Successful"]] == ["0", "2"]
    (failed,) = answer["Failed"]
    assert (failed["Id"], failed["SenderFault"]) == ("1", False)
    assert bench.counts(url) == (2, 0, 0)


def test_too_many_messages_in_flight_are_over_the_limit() -> None:
    with SqsServer(max_in_flight=2) as double:
        bench = SqsBench(double.client)
        url = bench.queue()
        for _ in range(3):
            bench.send(url)
        assert len(bench.receive(url, most=10)) == 2
        with pytest.raises(ClientError) as caught:
            bench.receive(url)
        assert refused(caught) == "OverLimit"
        assert bench.receive(url, wait_s=1) == [], "a long poll is answered nothing"


def test_a_poll_that_nobody_listens_to_any_more_takes_no_message(double: SqsServer) -> None:
    bench = SqsBench(double.client)
    url = bench.queue()
    impatient = Config(read_timeout=1, retries={"total_max_attempts": 1, "mode": "standard"})
    client = boto3.Session("testing", "testing", region_name="eu-west-2").client(
        "sqs", endpoint_url=double.endpoint_url, config=impatient
    )
    with pytest.raises(ReadTimeoutError):
        client.receive_message(QueueUrl=url, WaitTimeSeconds=20)
    client.close()
    bench.send(url)
    message = bench.receive_one(url, wait_s=10)
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


def test_a_receive_costs_the_same_however_long_the_backlog_is() -> None:
    # The shortest of several rounds: a busy machine only ever adds to it.
    few, many = (_receive_cost(backlog) for backlog in (100, 10_000))
    assert many < 5 * few, f"{few * 1e6:.0f} µs with 100 messages, {many * 1e6:.0f} µs with 10,000"


def _receive_cost(backlog: int) -> float:
    """Seconds to receive, hide longer and delete a message, without the protocol."""
    broker = Broker(Clock())
    dlq = broker.create_queue("dlq", {})
    policy = {"deadLetterTargetArn": dlq.arn, "maxReceiveCount": 3}
    broker.create_queue("queue", {"RedrivePolicy": json.dumps(policy)})
    for _ in range(backlog):
        broker.send("queue", "{}", delay_s=0, attributes={}, system_attributes={})
    rounds: list[float] = []
    for _ in range(20):
        started = time.perf_counter()
        for _ in range(4):
            (one,) = broker.receive("queue", most=1, wait_s=0, visibility_s=30)
            broker.change_visibility("queue", one.receipt_handle, 60)
            broker.delete("queue", one.receipt_handle)
        rounds.append((time.perf_counter() - started) / 4)
    return min(rounds)
