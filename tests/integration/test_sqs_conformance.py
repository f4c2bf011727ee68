"""One suite for both SQS servers of the tests, so that neither is trusted alone.

A case says what AWS documents. Where moto is known not to do it, the case is marked and the suite
checks that moto still fails it: a gap that closes is noticed, and the mark goes.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests.fakes.sqs_bench import SqsBench, refused
from tests.fakes.sqs_digests import attributes_digest, digest
from tests.fakes.sqs_server import SqsServer
from worker.demo.aws import AwsEmulator

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

Body = Callable[[SqsBench], None]


@dataclass(frozen=True)
class Case:
    """What a server has to do; ``gap``: what moto does instead."""

    body: Body
    gap: str | None = None


CASES: list[Case] = []


def case(body: Body) -> Body:
    CASES.append(Case(body))
    return body


def gap_of_moto(instead: str) -> Callable[[Body], Body]:
    def mark(body: Body) -> Body:
        CASES.append(Case(body, instead))
        return body

    return mark


@case
def a_message_arrives_as_it_was_sent(bench: SqsBench) -> None:
    url = bench.queue()
    sent = bench.sqs.send_message(QueueUrl=url, MessageBody='{"é": "🏡"}')
    message = bench.receive_one(url)
    assert message["MessageId"] == sent["MessageId"]
    assert message["Body"] == '{"é": "🏡"}'
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"] == digest('{"é": "🏡"}')


@case
def attributes_of_every_kind_arrive_with_their_digest(bench: SqsBench) -> None:
    url = bench.queue()
    sent = bench.sqs.send_message(
        QueueUrl=url,
        MessageBody="{}",
        MessageAttributes={
            "CorrelationId": {"DataType": "String", "StringValue": "trace-é"},
            "Attempt": {"DataType": "Number.int", "StringValue": "3"},
            "Raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01\xff"},
        },
    )
    message = bench.receive_one(url)
    attributes = message["MessageAttributes"]
    assert attributes["CorrelationId"]["StringValue"] == "trace-é"
    assert attributes["Attempt"] == {"DataType": "Number.int", "StringValue": "3"}
    assert attributes["Raw"]["BinaryValue"] == b"\x00\x01\xff"
    expected = attributes_digest(
        {
            "CorrelationId": {"DataType": "String", "StringValue": "trace-é"},
            "Attempt": {"DataType": "Number.int", "StringValue": "3"},
            "Raw": {"DataType": "Binary", "BinaryValue": "AAH/"},
        }
    )
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"] == expected


@case
def only_the_attributes_asked_for_are_answered(bench: SqsBench) -> None:
    url = bench.queue()
    bench.send(
        url,
        attributes={
            name: {"DataType": "String", "StringValue": "x"} for name in ("app.a", "app.b", "other")
        },
    )
    answer = bench.sqs.receive_message(
        QueueUrl=url,
        MessageAttributeNames=["app.*"],
        MessageSystemAttributeNames=["ApproximateReceiveCount"],
    )
    (message,) = answer["Messages"]
    assert set(message["MessageAttributes"]) == {"app.a", "app.b"}
    assert message["Attributes"] == {"ApproximateReceiveCount": "1"}


@case
def without_a_request_no_attributes_are_answered(bench: SqsBench) -> None:
    url = bench.queue()
    bench.send(url, attributes={"a": {"DataType": "String", "StringValue": "x"}})
    (message,) = bench.sqs.receive_message(QueueUrl=url)["Messages"]
    assert "MessageAttributes" not in message
    assert "Attributes" not in message


@case
def receives_are_counted_and_dated(bench: SqsBench) -> None:
    url = bench.queue()
    before = time.time() * 1000 - 1
    bench.send(url)
    first = bench.receive_one(url, visibility_s=0)["Attributes"]
    second = bench.receive_one(url)["Attributes"]
    assert (first["ApproximateReceiveCount"], second["ApproximateReceiveCount"]) == ("1", "2")
    assert first["SentTimestamp"] == second["SentTimestamp"]
    assert first["ApproximateFirstReceiveTimestamp"] == second["ApproximateFirstReceiveTimestamp"]
    sent, received = (
        int(first["SentTimestamp"]),
        int(first["ApproximateFirstReceiveTimestamp"]),
    )
    assert before <= sent <= received <= time.time() * 1000 + 1


@case
def a_received_message_is_hidden_and_comes_back_in_time(bench: SqsBench) -> None:
    url = bench.queue()
    sent = bench.send(url)
    bench.receive_one(url, visibility_s=1)
    assert bench.receive(url) == []
    assert bench.receive_one(url, wait_s=10)["MessageId"] == sent


@case
def the_queues_own_visibility_holds_where_none_is_asked_for(bench: SqsBench) -> None:
    url = bench.queue(VisibilityTimeout="1")
    bench.send(url)
    bench.sqs.receive_message(QueueUrl=url)
    assert bench.receive(url) == []
    assert len(bench.receive(url, wait_s=10)) == 1


@case
def every_receive_has_a_receipt_handle_of_its_own(bench: SqsBench) -> None:
    url = bench.queue()
    bench.send(url)
    handles = {bench.receive_one(url, visibility_s=0)["ReceiptHandle"] for _ in range(3)}
    assert len(handles) == 3


@case
def visibility_can_be_extended(bench: SqsBench) -> None:
    url = bench.queue()
    bench.send(url)
    handle = bench.receive_one(url, visibility_s=1)["ReceiptHandle"]
    bench.change(url, handle, 60)
    assert bench.receive(url, wait_s=2) == []


@case
def visibility_zero_releases_at_once(bench: SqsBench) -> None:
    url = bench.queue()
    bench.send(url)
    bench.change(url, bench.receive_one(url)["ReceiptHandle"], 0)
    assert bench.counts(url) == (1, 0, 0)
    assert bench.receive_one(url)["Attributes"]["ApproximateReceiveCount"] == "2"


@case
def each_message_has_a_visibility_of_its_own(bench: SqsBench) -> None:
    url = bench.queue()
    ids = {bench.send(url), bench.send(url)}
    one, other = bench.receive(url, most=2)
    bench.change(url, one["ReceiptHandle"], 0)
    again = bench.receive_one(url)
    assert again["MessageId"] == one["MessageId"] != other["MessageId"]
    assert {one["MessageId"], other["MessageId"]} == ids


@case
def visibility_beyond_twelve_hours_is_refused(bench: SqsBench) -> None:
    url = bench.queue()
    bench.send(url)
    handle = bench.receive_one(url)["ReceiptHandle"]
    time.sleep(0.01)
    with pytest.raises(ClientError) as caught:
        bench.change(url, handle, 43_200)
    assert refused(caught) == "InvalidParameterValue"
    assert "beyond the limit" in str(caught.value)
    bench.change(url, handle, 43_100)


@case
def a_handle_that_is_none_is_told_from_an_old_one(bench: SqsBench) -> None:
    url = bench.queue()
    with pytest.raises(ClientError) as caught:
        bench.change(url, "not-a-handle", 60)
    assert refused(caught) == "ReceiptHandleIsInvalid"
    with pytest.raises(ClientError) as caught:
        bench.delete(url, "not-a-handle")
    assert refused(caught) == "ReceiptHandleIsInvalid"


@gap_of_moto("the old handle extends")
def an_old_handle_does_not_extend(bench: SqsBench) -> None:
    url = bench.queue()
    bench.send(url)
    old = bench.receive_one(url, visibility_s=0)["ReceiptHandle"]
    bench.receive_one(url, visibility_s=60)
    with pytest.raises(ClientError) as caught:
        bench.change(url, old, 0)
    assert refused(caught) == "InvalidParameterValue"
    assert "not available for visibility timeout change" in str(caught.value)
    assert bench.receive(url) == []


@gap_of_moto("the old handle deletes")
def an_old_handle_does_not_delete_although_the_call_succeeds(bench: SqsBench) -> None:
    url = bench.queue()
    bench.send(url)
    old = bench.receive_one(url, visibility_s=0)["ReceiptHandle"]
    bench.receive_one(url)
    bench.delete(url, old)
    assert bench.counts(url) == (0, 1, 0)


@gap_of_moto("a message that is visible again is hidden anew")
def a_handle_whose_visibility_has_ended_does_not_extend(bench: SqsBench) -> None:
    url = bench.queue()
    bench.send(url)
    handle = bench.receive_one(url, visibility_s=1)["ReceiptHandle"]
    time.sleep(1.2)
    with pytest.raises(ClientError) as caught:
        bench.change(url, handle, 60)
    assert refused(caught) == "InvalidParameterValue"
    assert len(bench.receive(url)) == 1


@gap_of_moto("says that the handle is none")
def the_handle_of_a_deleted_message_does_not_extend(bench: SqsBench) -> None:
    url = bench.queue()
    bench.send(url)
    handle = bench.receive_one(url)["ReceiptHandle"]
    bench.delete(url, handle)
    with pytest.raises(ClientError) as caught:
        bench.change(url, handle, 60)
    assert refused(caught) == "InvalidParameterValue"


@case
def deleting_twice_succeeds(bench: SqsBench) -> None:
    url = bench.queue()
    bench.send(url)
    handle = bench.receive_one(url)["ReceiptHandle"]
    bench.delete(url, handle)
    bench.delete(url, handle)
    assert bench.counts(url) == (0, 0, 0)


@case
def the_newest_handle_deletes_also_after_its_visibility(bench: SqsBench) -> None:
    url = bench.queue()
    bench.send(url)
    handle = bench.receive_one(url, visibility_s=0)["ReceiptHandle"]
    bench.delete(url, handle)
    assert bench.counts(url) == (0, 0, 0)


@case
def a_delayed_message_is_hidden_at_first(bench: SqsBench) -> None:
    url = bench.queue()
    bench.sqs.send_message(QueueUrl=url, MessageBody="{}", DelaySeconds=1)
    assert bench.counts(url) == (0, 0, 1)
    assert bench.receive(url) == []
    assert len(bench.receive(url, wait_s=10)) == 1


@case
def a_queue_may_delay_all_its_messages(bench: SqsBench) -> None:
    url = bench.queue(DelaySeconds="60")
    bench.send(url)
    bench.sqs.send_message(QueueUrl=url, MessageBody="now", DelaySeconds=0)
    assert [message["Body"] for message in bench.receive(url, most=10)] == ["now"]
    assert bench.counts(url) == (0, 1, 1)


@case
def a_long_poll_ends_when_a_message_arrives(bench: SqsBench) -> None:
    url = bench.queue()
    sender = threading.Timer(0.5, bench.send, (url,))
    sender.start()
    asked = time.monotonic()
    assert len(bench.receive(url, wait_s=20)) == 1
    assert time.monotonic() - asked < 15
    sender.join()


@case
def a_long_poll_without_a_message_ends_when_its_wait_does(bench: SqsBench) -> None:
    url = bench.queue()
    asked = time.monotonic()
    assert bench.receive(url, wait_s=1) == []
    assert time.monotonic() - asked >= 0.9


@case
def at_most_ten_messages_are_received_at_once(bench: SqsBench) -> None:
    url = bench.queue()
    for _ in range(12):
        bench.send(url)
    assert len(bench.receive(url, most=10)) == 10
    assert bench.counts(url) == (2, 10, 0)
    with pytest.raises(ClientError) as caught:
        bench.receive(url, most=11)
    assert refused(caught) == "InvalidParameterValue"


@case
def a_message_received_too_often_goes_to_the_dead_letters(bench: SqsBench) -> None:
    pair = bench.pair(max_receives=2)
    sent = bench.send(pair.url, "poison", {"k": {"DataType": "String", "StringValue": "v"}})
    first = bench.receive_one(pair.url, visibility_s=0)
    bench.receive_one(pair.url, visibility_s=0)
    assert bench.counts(pair.dlq_url) == (0, 0, 0), "only the next receive moves it"
    assert bench.receive(pair.url) == []
    dead = bench.receive_one(pair.dlq_url)
    assert dead["MessageId"] == sent
    assert dead["Body"] == "poison"
    assert dead["MessageAttributes"]["k"]["StringValue"] == "v"
    assert dead["Attributes"]["SentTimestamp"] == first["Attributes"]["SentTimestamp"]
    assert bench.counts(pair.url) == (0, 0, 0)


@gap_of_moto("no source is told")
def a_dead_letter_names_its_source(bench: SqsBench) -> None:
    pair = bench.pair(max_receives=1)
    bench.send(pair.url)
    bench.receive(pair.url, visibility_s=0)
    bench.receive(pair.url)
    dead = bench.receive_one(pair.dlq_url)
    assert dead["Attributes"]["DeadLetterQueueSourceArn"] == pair.arn


@case
def a_batch_of_messages_is_sent_entry_by_entry(bench: SqsBench) -> None:
    url = bench.queue()
    answer = bench.sqs.send_message_batch(
        QueueUrl=url,
        Entries=[{"Id": str(number), "MessageBody": f"body {number}"} for number in range(10)],
    )
    sent = {one["Id"]: one["MessageId"] for one in answer["Successful"]}
    assert set(sent) == {str(number) for number in range(10)}
    assert answer.get("Failed", []) == []
    received = {one["MessageId"]: one["Body"] for one in bench.receive(url, most=10)}
    assert received == {sent[name]: f"body {name}" for name in sent}


@case
def of_a_batch_to_delete_each_entry_is_reported(bench: SqsBench) -> None:
    url = bench.queue()
    bench.send(url)
    handle = bench.receive_one(url)["ReceiptHandle"]
    answer = bench.sqs.delete_message_batch(
        QueueUrl=url,
        Entries=[
            {"Id": "good", "ReceiptHandle": handle},
            {"Id": "bad", "ReceiptHandle": "not-a-handle"},
        ],
    )
    assert [one["Id"] for one in answer["Successful"]] == ["good"]
    (failed,) = answer["Failed"]
    assert (failed["Id"], failed["Code"]) == ("bad", "ReceiptHandleIsInvalid")
    assert failed["SenderFault"] is True
    assert bench.counts(url) == (0, 0, 0)


@case
def of_a_batch_of_visibilities_each_entry_is_reported(bench: SqsBench) -> None:
    url = bench.queue()
    bench.send(url)
    handle = bench.receive_one(url)["ReceiptHandle"]
    answer = bench.sqs.change_message_visibility_batch(
        QueueUrl=url,
        Entries=[
            {"Id": "good", "ReceiptHandle": handle, "VisibilityTimeout": 0},
            {"Id": "bad", "ReceiptHandle": "not-a-handle", "VisibilityTimeout": 0},
        ],
    )
    assert [one["Id"] for one in answer["Successful"]] == ["good"]
    assert [(one["Id"], one["Code"]) for one in answer["Failed"]] == [
        ("bad", "ReceiptHandleIsInvalid")
    ]
    assert bench.counts(url) == (1, 0, 0)


@case
def a_batch_with_an_id_twice_is_refused_as_a_whole(bench: SqsBench) -> None:
    url = bench.queue()
    with pytest.raises(ClientError) as caught:
        bench.sqs.send_message_batch(
            QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "x"}, {"Id": "a", "MessageBody": "y"}]
        )
    assert refused(caught) == "BatchEntryIdsNotDistinct"
    assert bench.counts(url) == (0, 0, 0)


@case
def a_batch_of_eleven_is_refused(bench: SqsBench) -> None:
    url = bench.queue()
    with pytest.raises(ClientError) as caught:
        bench.sqs.send_message_batch(
            QueueUrl=url, Entries=[{"Id": str(n), "MessageBody": "x"} for n in range(11)]
        )
    assert refused(caught) == "TooManyEntriesInBatchRequest"


@case
def an_empty_batch_is_refused(bench: SqsBench) -> None:
    with pytest.raises(ClientError) as caught:
        bench.sqs.send_message_batch(QueueUrl=bench.queue(), Entries=[])
    assert refused(caught) == "EmptyBatchRequest"


@case
def an_oversize_message_is_refused(bench: SqsBench) -> None:
    url = bench.queue(MaximumMessageSize="1024")
    bench.send(url, "x" * 1024)
    with pytest.raises(ClientError) as caught:
        bench.send(url, "x" * 1025)
    assert refused(caught) == "InvalidParameterValue"


@gap_of_moto("counts characters, not bytes")
def the_size_of_a_message_is_counted_in_bytes(bench: SqsBench) -> None:
    url = bench.queue(MaximumMessageSize="1024")
    with pytest.raises(ClientError) as caught:
        bench.send(url, "é" * 1000)
    assert refused(caught) == "InvalidParameterValue"


@case
def attributes_of_a_queue_are_those_that_were_set(bench: SqsBench) -> None:
    url = bench.queue(VisibilityTimeout="120")
    bench.sqs.set_queue_attributes(
        QueueUrl=url, Attributes={"MessageRetentionPeriod": "3600", "DelaySeconds": "2"}
    )
    told = bench.attributes(url)
    assert told["VisibilityTimeout"] == "120"
    assert told["MessageRetentionPeriod"] == "3600"
    assert told["DelaySeconds"] == "2"
    assert told["ReceiveMessageWaitTimeSeconds"] == "0"
    assert told["QueueArn"].startswith("arn:aws:sqs:eu-west-2:")
    answer = bench.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])
    assert answer["Attributes"] == {"DelaySeconds": "2"}


@case
def an_attribute_that_does_not_exist_is_refused(bench: SqsBench) -> None:
    url = bench.queue()
    with pytest.raises(ClientError) as caught:
        bench.sqs.get_queue_attributes(
            QueueUrl=url,
            AttributeNames=["NoSuchAttribute"],  # type: ignore[list-item]
        )
    assert refused(caught) == "InvalidAttributeName"


@case
def a_redrive_policy_can_be_set_and_taken_away(bench: SqsBench) -> None:
    pair = bench.pair(max_receives=1)
    answer = bench.sqs.list_dead_letter_source_queues(QueueUrl=pair.dlq_url)
    assert answer["queueUrls"] == [pair.url]
    bench.sqs.set_queue_attributes(QueueUrl=pair.url, Attributes={"RedrivePolicy": ""})
    assert "RedrivePolicy" not in bench.attributes(pair.url)
    bench.send(pair.url)
    for _ in range(3):
        bench.receive_one(pair.url, visibility_s=0)
    assert bench.counts(pair.dlq_url) == (0, 0, 0)


@case
def a_queue_is_found_by_its_name(bench: SqsBench) -> None:
    name = f"case-{uuid.uuid4().hex[:12]}"
    url = bench.queue(name)
    assert bench.sqs.get_queue_url(QueueName=name)["QueueUrl"] == url
    assert bench.sqs.list_queues(QueueNamePrefix=name)["QueueUrls"] == [url]


@case
def creating_a_queue_again_needs_the_same_attributes(bench: SqsBench) -> None:
    name = f"case-{uuid.uuid4().hex[:12]}"
    url = bench.queue(name, VisibilityTimeout="60")
    assert bench.queue(name, VisibilityTimeout="60") == url
    with pytest.raises(ClientError) as caught:
        bench.queue(name, VisibilityTimeout="61")
    assert refused(caught) in {"QueueNameExists", "QueueAlreadyExists"}


@case
def a_deleted_queue_is_missing(bench: SqsBench) -> None:
    url = bench.queue()
    bench.sqs.delete_queue(QueueUrl=url)
    for call in (
        lambda: bench.receive(url),
        lambda: bench.send(url),
        lambda: bench.attributes(url),
        lambda: bench.change(url, "any", 0),
    ):
        with pytest.raises(bench.sqs.exceptions.QueueDoesNotExist) as caught:
            call()
        assert refused(caught) == "NonExistentQueue"


@case
def a_purge_takes_what_is_in_flight_too(bench: SqsBench) -> None:
    url = bench.queue()
    for _ in range(3):
        bench.send(url)
    bench.receive(url)
    bench.sqs.purge_queue(QueueUrl=url)
    assert bench.counts(url) == (0, 0, 0)


@case
def counts_follow_a_message_through_its_life(bench: SqsBench) -> None:
    url = bench.queue()
    bench.send(url)
    assert bench.counts(url) == (1, 0, 0)
    handle = bench.receive_one(url)["ReceiptHandle"]
    assert bench.counts(url) == (0, 1, 0)
    bench.delete(url, handle)
    assert bench.counts(url) == (0, 0, 0)


@gap_of_moto("knows no move tasks")
def dead_letters_move_back_as_new_messages(bench: SqsBench) -> None:
    pair = bench.pair(max_receives=1)
    sent = bench.send(pair.url, "again", {"k": {"DataType": "String", "StringValue": "v"}})
    first = bench.receive_one(pair.url, visibility_s=0)
    bench.receive(pair.url)
    # Timestamps are in milliseconds.
    time.sleep(0.005)
    bench.sqs.start_message_move_task(SourceArn=pair.dlq_arn)
    moved = bench.receive_one(pair.url, wait_s=10)
    assert moved["MessageId"] != sent
    assert (moved["Body"], moved["MessageAttributes"]["k"]["StringValue"]) == ("again", "v")
    assert moved["Attributes"]["ApproximateReceiveCount"] == "1"
    assert int(moved["Attributes"]["SentTimestamp"]) > int(first["Attributes"]["SentTimestamp"])
    assert bench.counts(pair.dlq_url) == (0, 0, 0)
    (task,) = bench.sqs.list_message_move_tasks(SourceArn=pair.dlq_arn)["Results"]
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 1)


@gap_of_moto("knows no move tasks")
def a_move_task_can_be_cancelled_and_only_one_runs(bench: SqsBench) -> None:
    pair = bench.pair(max_receives=1)
    for _ in range(3):
        bench.send(pair.dlq_url)
    handle = bench.sqs.start_message_move_task(
        SourceArn=pair.dlq_arn, DestinationArn=pair.arn, MaxNumberOfMessagesPerSecond=1
    )["TaskHandle"]
    with pytest.raises(ClientError) as caught:
        bench.sqs.start_message_move_task(SourceArn=pair.dlq_arn)
    assert "already a task running" in str(caught.value)
    moved = bench.sqs.cancel_message_move_task(TaskHandle=handle)[
        "ApproximateNumberOfMessagesMoved"
    ]
    assert bench.counts(pair.dlq_url)[0] == 3 - moved
    (task,) = bench.sqs.list_message_move_tasks(SourceArn=pair.dlq_arn)["Results"]
    assert task["Status"] == "CANCELLED"


@gap_of_moto("knows no move tasks")
def only_dead_letters_can_be_moved(bench: SqsBench) -> None:
    pair = bench.pair(max_receives=1)
    with pytest.raises(ClientError) as caught:
        bench.sqs.start_message_move_task(SourceArn=pair.arn)
    assert "must be configured as a Dead Letter Queue" in str(caught.value)


@pytest.fixture(scope="module")
def clients(aws: AwsEmulator) -> Iterator[Mapping[str, SQSClient]]:
    with SqsServer() as double:
        yield {"double": double.client, "moto": aws.sqs}


@pytest.fixture(params=["double", "moto"])
def server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bench(server: str, clients: Mapping[str, SQSClient]) -> Iterator[SqsBench]:
    one = SqsBench(clients[server])
    yield one
    one.close()


@pytest.mark.parametrize("wanted", CASES, ids=lambda wanted: wanted.body.__name__)
def test_conformance(wanted: Case, server: str, bench: SqsBench) -> None:
    if server == "moto" and wanted.gap is not None:
        # Whatever moto does instead, the case has to fail for it: else the mark is out of date.
        with pytest.raises((AssertionError, ClientError, KeyError, pytest.fail.Exception)):
            wanted.body(bench)
    else:
        wanted.body(bench)
