"""What a conformance case works with: queues of its own on one of the SQS servers."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from worker.demo.aws import QueuePair

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import MessageAttributeValueTypeDef, MessageTypeDef


@dataclass
class SqsBench:
    """A client and the queues made with it; ``close`` deletes them."""

    sqs: SQSClient
    _urls: list[str] = field(default_factory=list)

    def queue(self, name: str | None = None, **attributes: str) -> str:
        """A new queue; returns its URL."""
        url = self.sqs.create_queue(
            QueueName=name or f"case-{uuid.uuid4().hex[:12]}",
            Attributes=attributes,  # type: ignore[arg-type]
        )["QueueUrl"]
        self._urls.append(url)
        return url

    def pair(self, *, max_receives: int, **attributes: str) -> QueuePair:
        """A queue whose messages go to a second one after so many receives."""
        dlq_url = self.queue(MessageRetentionPeriod="1209600")
        policy = {"deadLetterTargetArn": self.arn(dlq_url), "maxReceiveCount": max_receives}
        url = self.queue(RedrivePolicy=json.dumps(policy), **attributes)
        return QueuePair(url, self.arn(url), dlq_url, self.arn(dlq_url))

    def attributes(self, url: str) -> Mapping[str, str]:
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        return {str(name): value for name, value in answer["Attributes"].items()}

    def arn(self, url: str) -> str:
        return self.attributes(url)["QueueArn"]

    def counts(self, url: str) -> tuple[int, int, int]:
        """Messages that are visible, in flight and delayed."""
        told = self.attributes(url)
        kinds = ("", "NotVisible", "Delayed")
        visible, in_flight, delayed = (
            int(told[f"ApproximateNumberOfMessages{kind}"]) for kind in kinds
        )
        return visible, in_flight, delayed

    def send(
        self,
        url: str,
        body: str = "{}",
        attributes: Mapping[str, MessageAttributeValueTypeDef] | None = None,
    ) -> str:
        """Send a message; returns its id."""
        return self.sqs.send_message(
            QueueUrl=url, MessageBody=body, MessageAttributes=attributes or {}
        )["MessageId"]

    def receive(
        self, url: str, *, visibility_s: int = 30, most: int = 1, wait_s: int = 0
    ) -> list[MessageTypeDef]:
        answer = self.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=most,
            VisibilityTimeout=visibility_s,
            WaitTimeSeconds=wait_s,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )
        return answer.get("Messages", [])

    def receive_one(self, url: str, *, visibility_s: int = 30, wait_s: int = 0) -> MessageTypeDef:
        (message,) = self.receive(url, visibility_s=visibility_s, wait_s=wait_s)
        return message

    def change(self, url: str, handle: str, seconds: int) -> None:
        self.sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=seconds
        )

    def delete(self, url: str, handle: str) -> None:
        self.sqs.delete_message(QueueUrl=url, ReceiptHandle=handle)

    def close(self) -> None:
        for url in self._urls:
            try:
                self.sqs.delete_queue(QueueUrl=url)
            except self.sqs.exceptions.QueueDoesNotExist:
                continue


def refused(error: pytest.ExceptionInfo[ClientError]) -> str:
    """The code of an error, without the prefix of the older protocol."""
    return error.value.response["Error"]["Code"].rpartition(".")[2]
