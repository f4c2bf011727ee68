"""The queue's calls against a real emulator, and what each of SQS's errors means to the worker."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.fakes.messages import message as any_message
from tests.fakes.sqs_faults import Fault
from worker.demo.aws import AwsEmulator, QueuePair
from worker.errors import ConfigurationFault, TransientError, WorkerError
from worker.queue.sqs import Message, SqsQueue, StaleReceipt, make_sqs_client
from worker.settings import AwsSettings

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient


@pytest.fixture
def client(aws: AwsEmulator) -> SQSClient:
    return make_sqs_client(AwsSettings(), wait_s=0)


@pytest.fixture
def sqs(client: SQSClient, queue: QueuePair) -> SqsQueue:
    return SqsQueue(client, queue.url)


def receive(sqs: SqsQueue, *, visibility_s: int = 30, max_messages: int = 1) -> tuple[Message, ...]:
    return sqs.receive(max_messages=max_messages, wait_s=0, visibility_s=visibility_s)


def test_a_message_arrives_with_what_the_worker_has_to_know(
    sqs: SqsQueue, client: SQSClient, queue: QueuePair
) -> None:
    sent = client.send_message(
        QueueUrl=queue.url,
        MessageBody='{"é": 1}',
        MessageAttributes={"CorrelationId": {"DataType": "String", "StringValue": "abc-1"}},
    )
    before = time.monotonic()
    (message,) = receive(sqs)
    assert message.message_id == sent["MessageId"]
    assert message.body == '{"é": 1}'
    assert message.receive_count == 1
    assert message.correlation_attribute == "abc-1"
    assert message.sent_at is not None
    assert abs(datetime.now(UTC) - message.sent_at) < timedelta(minutes=1)
    assert before <= message.received_monotonic <= time.monotonic()


def test_a_binary_attribute_is_no_correlation_id(
    sqs: SqsQueue, client: SQSClient, queue: QueuePair
) -> None:
    client.send_message(
        QueueUrl=queue.url,
        MessageBody="{}",
        MessageAttributes={"CorrelationId": {"DataType": "Binary", "BinaryValue": b"abc"}},
    )
    (message,) = receive(sqs)
    assert message.correlation_attribute is None


def test_several_messages_can_be_received_at_once(
    sqs: SqsQueue, client: SQSClient, queue: QueuePair
) -> None:
    for body in ("{}", "[]"):
        client.send_message(QueueUrl=queue.url, MessageBody=body)
    assert {message.body for message in receive(sqs, max_messages=10)} == {"{}", "[]"}


def test_a_released_message_comes_back_at_once_and_its_receives_are_counted(
    sqs: SqsQueue, client: SQSClient, queue: QueuePair
) -> None:
    client.send_message(QueueUrl=queue.url, MessageBody="{}")
    (first,) = receive(sqs)
    assert receive(sqs) == ()
    sqs.set_visibility(first, 0)
    (second,) = receive(sqs)
    assert second.message_id == first.message_id
    assert second.receive_count == 2


def test_a_kept_message_stays_hidden_longer_than_it_was_received_for(
    sqs: SqsQueue, client: SQSClient, queue: QueuePair
) -> None:
    client.send_message(QueueUrl=queue.url, MessageBody="{}")
    (message,) = receive(sqs, visibility_s=1)
    sqs.set_visibility(message, 60)
    time.sleep(1.2)
    assert receive(sqs) == ()


def test_a_deleted_message_is_gone(sqs: SqsQueue, client: SQSClient, queue: QueuePair) -> None:
    client.send_message(QueueUrl=queue.url, MessageBody="{}")
    (message,) = receive(sqs)
    sqs.delete(message)
    assert sqs.attributes().visible == sqs.attributes().in_flight == 0


def test_a_visibility_of_twelve_hours_stays_below_the_limit(
    sqs: SqsQueue, client: SQSClient, queue: QueuePair
) -> None:
    client.send_message(QueueUrl=queue.url, MessageBody="{}")
    (message,) = receive(sqs)
    sqs.set_visibility(message, 43_200)
    sqs.set_visibility(message, 999_999)


@pytest.mark.parametrize(
    ("age_s", "asked_s", "lowest", "highest"),
    [
        (0, 300, 300, 300),
        (0, 43_200, 43_185, 43_195),
        (43_100, 300, 85, 95),
        (50_000, 300, 0, 0),
        (0, -5, 0, 0),
    ],
)
def test_an_extension_never_goes_past_twelve_hours_from_the_receipt(
    sqs: SqsQueue,
    client: SQSClient,
    age_s: int,
    asked_s: int,
    lowest: int,
    highest: int,
) -> None:
    # moto counts the 12 hours from the sending, so what is asked of it is looked at instead.
    asked: list[int] = []

    def note(params: dict[str, int], **_: object) -> None:
        asked.append(params["VisibilityTimeout"])

    client.meta.events.register("provide-client-params.sqs.ChangeMessageVisibility", note)
    Fault(400, "ReceiptHandleIsInvalid").put_before(client, "ChangeMessageVisibility")
    old = any_message("{}", received_monotonic=time.monotonic() - age_s)
    with pytest.raises(StaleReceipt):
        sqs.set_visibility(old, asked_s)
    assert lowest <= asked[0] <= highest


def test_redrive_policy_and_attributes_are_those_of_the_queue(
    sqs: SqsQueue, client: SQSClient, queue: QueuePair
) -> None:
    policy = sqs.redrive_policy()
    assert policy.max_receive_count == 3
    assert policy.dead_letter_arn == queue.dlq_arn
    client.send_message(QueueUrl=queue.url, MessageBody="{}")
    attributes = sqs.attributes()
    assert attributes.arn == queue.arn
    assert (attributes.visible, attributes.in_flight, attributes.delayed) == (1, 0, 0)
    assert attributes.visibility_timeout_s == 300
    assert attributes.retention_s == 345_600
    dead_letters = SqsQueue(client, queue.dlq_url)
    assert dead_letters.redrive_policy().max_receive_count is None
    assert dead_letters.redrive_policy().dead_letter_arn is None


def test_redrive_policy_is_read_once(sqs: SqsQueue, client: SQSClient) -> None:
    before = sqs.redrive_policy()
    Fault(500, "InternalError").put_before(client, "GetQueueAttributes")
    assert sqs.redrive_policy() == before


def test_one_failing_answer_does_not_hide_the_queue(sqs: SqsQueue, client: SQSClient) -> None:
    fault = Fault(500, "InternalError", times=2).put_before(client, "GetQueueAttributes")
    assert sqs.attributes().visible == 0
    assert fault.calls == 3


@pytest.mark.parametrize("failures", [1, 2])
def test_a_delete_that_fails_is_tried_three_times(
    sqs: SqsQueue, client: SQSClient, queue: QueuePair, failures: int
) -> None:
    client.send_message(QueueUrl=queue.url, MessageBody="{}")
    (message,) = receive(sqs)
    fault = Fault(500, "InternalError", times=failures).put_before(client, "DeleteMessage")
    sqs.delete(message)
    assert fault.calls == failures + 1
    assert sqs.attributes().in_flight == 0


def test_a_delete_that_keeps_failing_leaves_the_message_and_says_so(
    sqs: SqsQueue, client: SQSClient, queue: QueuePair
) -> None:
    client.send_message(QueueUrl=queue.url, MessageBody="{}")
    (message,) = receive(sqs)
    fault = Fault(500, "InternalError").put_before(client, "DeleteMessage")
    with pytest.raises(TransientError) as caught:
        sqs.delete(message)
    assert caught.value.code == "queue_unavailable"
    assert fault.calls == 3
    assert sqs.attributes().in_flight == 1


STALE = [
    Fault(400, "ReceiptHandleIsInvalid", "The input receipt handle is invalid."),
    Fault(
        400,
        "InvalidParameterValue",
        "Value X for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
    ),
    Fault(
        400,
        "MessageNotInflight",
        legacy_code="AWS.SimpleQueueService.MessageNotInflight",
    ),
    Fault(
        400,
        "InvalidParameterValue",
        "Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]",
    ),
]


@pytest.mark.parametrize("fault", STALE, ids=lambda fault: fault.text[-20:] or fault.code)
def test_a_stale_receipt_is_told_from_an_outage(
    sqs: SqsQueue, client: SQSClient, fault: Fault
) -> None:
    # moto extends and deletes with a stale receipt, hence the hook.
    for operation in ("DeleteMessage", "ChangeMessageVisibility"):
        fault.calls = 0
        fault.put_before(client, operation)
    with pytest.raises(StaleReceipt) as caught:
        sqs.delete(any_message("{}"))
    assert caught.value.code == "receipt_stale"
    with pytest.raises(StaleReceipt):
        sqs.set_visibility(any_message("{}"), 60)
    assert fault.calls == 2


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (Fault(403, "OverLimit"), TransientError, "queue_unavailable"),
        (
            Fault(403, "OverLimit", legacy_code="AWS.SimpleQueueService.OverLimit"),
            TransientError,
            "queue_unavailable",
        ),
        (Fault(400, "RequestThrottled"), TransientError, "queue_unavailable"),
        (Fault(400, "ThrottlingException"), TransientError, "queue_unavailable"),
        (Fault(429, "SlowDown"), TransientError, "queue_unavailable"),
        (Fault(500, "InternalError"), TransientError, "queue_unavailable"),
        (Fault(503, "ServiceUnavailable"), TransientError, "queue_unavailable"),
        (Fault(403, "ExpiredTokenException"), TransientError, "queue_unavailable"),
        (
            Fault(
                400,
                "QueueDoesNotExist",
                legacy_code="AWS.SimpleQueueService.NonExistentQueue",
            ),
            ConfigurationFault,
            "queue_missing",
        ),
        (Fault(400, "QueueDoesNotExist"), ConfigurationFault, "queue_missing"),
        (
            Fault(403, "AccessDeniedException"),
            ConfigurationFault,
            "queue_access_denied",
        ),
        (
            Fault(400, "KmsAccessDenied", legacy_code="KMS.AccessDeniedException"),
            ConfigurationFault,
            "queue_access_denied",
        ),
        (Fault(403, "InvalidClientTokenId"), ConfigurationFault, "queue_access_denied"),
        (Fault(400, "UnsupportedOperation"), ConfigurationFault, "queue_refused"),
    ],
    ids=lambda value: value.legacy_code or value.code if isinstance(value, Fault) else None,
)
def test_each_error_of_sqs_has_one_meaning_and_a_poll_is_not_repeated(
    sqs: SqsQueue, client: SQSClient, fault: Fault, kind: type[WorkerError], code: str
) -> None:
    fault.put_before(client, "ReceiveMessage")
    with pytest.raises(kind) as caught:
        receive(sqs)
    assert caught.value.code == code
    assert fault.calls == 1


def test_a_queue_that_is_deleted_while_it_is_used_is_missing(
    client: SQSClient, aws: AwsEmulator
) -> None:
    pair = aws.create_queue_pair("short-lived")
    sqs = SqsQueue(client, pair.url)
    assert receive(sqs) == ()
    client.delete_queue(QueueUrl=pair.url)
    for call in (lambda: receive(sqs), sqs.attributes):
        with pytest.raises(ConfigurationFault) as caught:
            call()
        assert caught.value.code == "queue_missing"


def test_a_refused_connection_is_an_outage(aws: AwsEmulator) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
    client = make_sqs_client(AwsSettings(aws_endpoint_url=endpoint), wait_s=0)
    with pytest.raises(TransientError) as caught:
        receive(SqsQueue(client, f"{endpoint}/000000000000/any"))
    assert caught.value.code == "queue_unavailable"


def test_a_silent_queue_ends_the_poll_after_one_time_out(aws: AwsEmulator) -> None:
    with socket.create_server(("127.0.0.1", 0)) as black_hole:
        endpoint = f"http://127.0.0.1:{black_hole.getsockname()[1]}"
        # As if the wait had been over eight seconds ago: a time-out of one second.
        client = make_sqs_client(AwsSettings(aws_endpoint_url=endpoint), wait_s=-8)
        started = time.monotonic()
        with pytest.raises(TransientError):
            receive(SqsQueue(client, f"{endpoint}/000000000000/any"))
        assert 0.9 < time.monotonic() - started < 2


def test_a_poll_is_over_within_ten_seconds_after_its_wait(aws: AwsEmulator) -> None:
    client = make_sqs_client(AwsSettings(), wait_s=20)
    config = vars(client.meta.config)
    assert config["read_timeout"] < 20 + 10
    assert config["connect_timeout"] < 10


def test_missing_credentials_are_a_fault_of_the_configuration(
    aws: AwsEmulator, queue: QueuePair, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    client = make_sqs_client(AwsSettings(), wait_s=0)
    with pytest.raises(ConfigurationFault) as caught:
        receive(SqsQueue(client, queue.url))
    assert caught.value.code == "queue_access_denied"
