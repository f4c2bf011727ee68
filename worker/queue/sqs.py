"""Typed SQS calls: what the worker asks of its queue, and what the answers mean to it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import stamina
from botocore import exceptions as botocore
from botocore.parsers import ResponseParserError

from worker.credentials import credentials_told
from worker.errors import ConfigurationFault, TransientError, WorkerError
from worker.queue.moments import FIRST_SENT_AT, first_sent, read_instant
from worker.settings import MAX_VISIBILITY_S, AwsSettings

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient
    from types_boto3_sqs.type_defs import MessageAttributeValueTypeDef, MessageTypeDef

# SQS answers a long poll when its wait ends; the poll has to be over within wait + 10 s.
_READ_MARGIN_S = 9
_CONNECT_TIMEOUT_S = 5
# The 12 hours start when SQS hands the message out, a little before we have it.
_RECEIPT_SLACK_S = 5

_MISSING = frozenset({"NonExistentQueue", "QueueDoesNotExist", "QueueDeletedRecently"})
_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "KmsAccessDenied",
        "KmsDisabled",
        "KmsNotFound",
        "KmsOptInRequired",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
# OverLimit and throttling come as 400 or 403; expired credentials are replaced by the chain.
_BUSY = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "KmsThrottled",
        "OverLimit",
        "RequestExpired",
        "RequestThrottled",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_STALE = frozenset({"MessageNotInflight", "ReceiptHandleIsInvalid"})


class StaleReceipt(WorkerError):
    """The receipt handle no longer owns the message: someone else has it, or it is gone."""


@dataclass(frozen=True, slots=True)
class Message:
    """One receive of one message; ``received_monotonic`` is on this process's monotonic clock.

    ``first_sent_at``: what its attribute says of a message that was sent before and moved since.
    """

    message_id: str
    receipt_handle: str
    body: str
    receive_count: int
    sent_at: datetime | None
    correlation_attribute: str | None
    received_monotonic: float
    first_sent_at: datetime | None = None

    def queued_s(self, now: datetime) -> float | None:
        """Seconds from its sending until ``now``, by the clocks of SQS and of this host."""
        if self.sent_at is None:
            return None
        return max(0.0, round((now - self.sent_at).total_seconds(), 3))


@dataclass(frozen=True, slots=True)
class RedrivePolicy:
    """After how many receives SQS moves a message to which queue; None where nothing is set."""

    max_receive_count: int | None
    dead_letter_arn: str | None


@dataclass(frozen=True, slots=True)
class QueueAttributes:
    """A queue as SQS describes it; the counts are approximate, times in seconds."""

    arn: str
    visible: int
    in_flight: int
    delayed: int
    visibility_timeout_s: int
    retention_s: int
    redrive: RedrivePolicy


def make_sqs_client(aws: AwsSettings, wait_s: int) -> SQSClient:
    """A client whose calls end ``wait_s`` + 9 seconds after SQS has gone silent.

    botocore does not retry: a poll repeated inside a call would outlast its limit, and the calls
    that settle a message are tried again by ``SqsQueue``. Raises TransientError or
    ConfigurationFault if there are no credentials.
    """
    import boto3
    from botocore.config import Config

    with translated():
        return boto3.session.Session().client(
            "sqs",
            region_name=aws.aws_region,
            endpoint_url=aws.aws_endpoint_url,
            config=Config(
                connect_timeout=_CONNECT_TIMEOUT_S,
                read_timeout=wait_s + _READ_MARGIN_S,
                retries={"mode": "standard", "total_max_attempts": 1},
                tcp_keepalive=True,
            ),
        )


class SqsQueue:
    """One queue; every method raises TransientError, ConfigurationFault or StaleReceipt.

    ``polling``: a client of its own for long polls, so that with ``client`` neither a renewal nor
    the end of a message, at a stop say, hangs as long as a poll may. Thread-safe.
    """

    def __init__(
        self, client: SQSClient, queue_url: str, *, polling: SQSClient | None = None
    ) -> None:
        self._client = client
        self._polling = polling or client
        self._url = queue_url
        self._redrive: RedrivePolicy | None = None

    def receive(self, *, max_messages: int, wait_s: int, visibility_s: int) -> tuple[Message, ...]:
        """Long-poll once, for ``wait_s`` seconds at the most; never repeated by itself."""
        with translated():
            answer = self._polling.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=max_messages,
                WaitTimeSeconds=wait_s,
                VisibilityTimeout=visibility_s,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=[
                    "ApproximateReceiveCount",
                    "SentTimestamp",
                ],
            )
        received = time.monotonic()
        return tuple(read_message(raw, received) for raw in answer.get("Messages", ()))

    def send(self, body: str, correlation_id: str, *, first_sent_at: datetime | None = None) -> str:
        """Put a new message on the queue, in one try; returns its message id.

        ``first_sent_at``: when what it asks for was asked for, if that was not now.
        """
        attributes: dict[str, MessageAttributeValueTypeDef] = {
            "CorrelationId": {"DataType": "String", "StringValue": correlation_id}
        }
        if first_sent_at is not None:
            attributes.update(first_sent(first_sent_at))
        with translated():
            answer = self._client.send_message(
                QueueUrl=self._url, MessageBody=body, MessageAttributes=attributes
            )
        return answer["MessageId"]

    def delete(self, message: Message) -> None:
        """Take the message off the queue for good; three tries."""
        for attempt in tries():
            with attempt, translated():
                self._client.delete_message(
                    QueueUrl=self._url, ReceiptHandle=message.receipt_handle
                )

    def set_visibility(self, message: Message, seconds: int) -> None:
        """Hide the message for ``seconds`` from now; three tries.

        Cut to what SQS still allows: 12 hours from the receipt, whatever the extensions.
        """
        self.release(message, seconds)

    def release(self, message: Message, seconds: int) -> int:
        """Have the message handed out again in ``seconds``, 0 for at once; as ``set_visibility``.

        Returns the seconds that were set, which may be fewer.
        """
        age = time.monotonic() - message.received_monotonic
        allowed = MAX_VISIBILITY_S - math.ceil(age) - _RECEIPT_SLACK_S
        hidden_s = max(0, min(seconds, allowed))
        for attempt in tries():
            with attempt, translated():
                self._client.change_message_visibility(
                    QueueUrl=self._url,
                    ReceiptHandle=message.receipt_handle,
                    VisibilityTimeout=hidden_s,
                )
        return hidden_s

    def redrive_policy(self) -> RedrivePolicy:
        """The queue's redrive policy, read once for the life of this object."""
        if self._redrive is None:
            self._redrive = self.attributes().redrive
        return self._redrive

    def attributes(self) -> QueueAttributes:
        """The queue as it is now, and whether it is there at all; three tries."""
        for attempt in tries():
            with attempt, translated():
                answer = self._client.get_queue_attributes(
                    QueueUrl=self._url, AttributeNames=["All"]
                )
        raw = answer["Attributes"]
        return QueueAttributes(
            arn=raw["QueueArn"],
            visible=int(raw["ApproximateNumberOfMessages"]),
            in_flight=int(raw["ApproximateNumberOfMessagesNotVisible"]),
            delayed=int(raw["ApproximateNumberOfMessagesDelayed"]),
            visibility_timeout_s=int(raw["VisibilityTimeout"]),
            retention_s=int(raw["MessageRetentionPeriod"]),
            redrive=_redrive(raw.get("RedrivePolicy")),
        )


def tries() -> Iterable[stamina.Attempt]:
    """Three tries of a call that is safe to repeat."""
    # A silent queue costs one time-out, not three: after 5 s there is no further try.
    return stamina.retry_context(
        on=TransientError,
        attempts=3,
        timeout=5,
        wait_initial=0.1,
        wait_max=1,
        wait_jitter=0.1,
    )


def read_message(raw: MessageTypeDef, received_monotonic: float) -> Message:
    """A message as ReceiveMessage answers it."""
    system = raw["Attributes"]
    sent = system.get("SentTimestamp")
    attributes = raw.get("MessageAttributes", {})
    correlation = attributes.get("CorrelationId")
    moved = attributes.get(FIRST_SENT_AT)
    return Message(
        message_id=raw["MessageId"],
        receipt_handle=raw["ReceiptHandle"],
        body=raw["Body"],
        receive_count=int(system["ApproximateReceiveCount"]),
        sent_at=datetime.fromtimestamp(int(sent) / 1000, UTC) if sent else None,
        correlation_attribute=correlation.get("StringValue") if correlation else None,
        received_monotonic=received_monotonic,
        first_sent_at=read_instant(moved.get("StringValue")) if moved else None,
    )


def _redrive(text: str | None) -> RedrivePolicy:
    policy: Mapping[str, str | int] = json.loads(text) if text else {}
    count = policy.get("maxReceiveCount")
    arn = policy.get("deadLetterTargetArn")
    return RedrivePolicy(
        max_receive_count=int(count) if count is not None else None,
        dead_letter_arn=str(arn) if arn is not None else None,
    )


@contextmanager
def translated() -> Iterator[None]:
    """botocore's errors as ours; what is neither is a fault of the program and passes."""
    try:
        with credentials_told(absent=_denied, away=_unavailable):
            yield
    except botocore.ClientError as error:
        raise _translate(error) from error
    except (botocore.ConnectionError, botocore.HTTPClientError, ResponseParserError) as error:
        raise _unavailable(f"{type(error).__name__}: {error}") from error


def _translate(error: botocore.ClientError) -> WorkerError:
    details = error.response.get("Error", {})
    # Codes of the older query protocol are still sent: AWS.SimpleQueueService.NonExistentQueue.
    code = details.get("Code", "").rpartition(".")[2].rpartition("#")[2]
    text = details.get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    detail = f"{error.operation_name}: {code}: {text}"
    # Expired handles and the 12-hour limit are both told as a bad parameter value.
    expired = code == "InvalidParameterValue" and (
        "ReceiptHandle" in text or "beyond the limit" in text
    )
    if code in _STALE or expired:
        return StaleReceipt(
            "receipt_stale",
            "The message is no longer held by this receive.",
            detail=detail,
        )
    if code in _BUSY or status >= 500 or status == 429:
        return _unavailable(detail)
    if code in _MISSING:
        return ConfigurationFault("queue_missing", "The queue does not exist.", detail=detail)
    if code in _DENIED:
        return _denied(detail)
    return ConfigurationFault("queue_refused", "The queue refused the request.", detail=detail)


def _unavailable(detail: str) -> TransientError:
    return TransientError("queue_unavailable", "The queue does not answer.", detail=detail)


def _denied(detail: str) -> ConfigurationFault:
    return ConfigurationFault(
        "queue_access_denied", "The worker may not use the queue.", detail=detail
    )
