"""moto's server for SQS, S3 and SNS in a process of its own, and what is set up in it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import boto3
import httpx

from worker.demo.process import Helper, free_port

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sns import SNSClient
    from types_boto3_sqs import SQSClient

REGION: Final = "eu-west-2"
MAX_RECEIVE_COUNT = 3
_TWO_WEEKS_S = 14 * 24 * 3600


@dataclass(frozen=True, slots=True)
class QueuePair:
    """A queue and the dead-letter queue that its redrive policy names."""

    url: str
    arn: str
    dlq_url: str
    dlq_arn: str


class AwsEmulator:
    """moto's server on a free loopback port; use as a context manager.

    It ends with the context, or with this process. moto is not safe to share between threads of
    one Python process with the code under test, hence a process of its own.
    """

    def __init__(self) -> None:
        self._port = free_port()
        self._home = Path(tempfile.mkdtemp(prefix="nrf-aws-"))
        self._server: Helper | None = None
        self._session = boto3.Session("testing", "testing", region_name=REGION)

    @property
    def endpoint_url(self) -> str:
        """Where the emulator listens, as AWS_ENDPOINT_URL expects it."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that make boto3 talk to the emulator, and to nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def __enter__(self) -> Self:
        self._server = Helper(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self._port)],
            log=self._home / "moto.log",
            remove=self._home,
        )
        try:
            self._server.wait_until(self._answers, timeout_s=60)
        except BaseException:
            self._server.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    @property
    def sqs(self) -> SQSClient:
        """A new SQS client."""
        return self._session.client("sqs", endpoint_url=self.endpoint_url)

    @property
    def s3(self) -> S3Client:
        """A new S3 client."""
        return self._session.client("s3", endpoint_url=self.endpoint_url)

    @property
    def sns(self) -> SNSClient:
        """A new SNS client."""
        return self._session.client("sns", endpoint_url=self.endpoint_url)

    def create_queue_pair(
        self,
        name: str,
        *,
        max_receive_count: int = MAX_RECEIVE_COUNT,
        visibility_timeout_s: int = 300,
    ) -> QueuePair:
        """Make the queue ``name`` and its dead-letter queue ``name``-dlq, joined by redrive."""
        return create_queue_pair(
            self.sqs,
            name,
            max_receive_count=max_receive_count,
            visibility_timeout_s=visibility_timeout_s,
        )

    def create_bucket(self, name: str) -> str:
        """Make the bucket ``name`` and return its name."""
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return name

    def create_topic(self, name: str, queue: QueuePair, *, raw: bool = False) -> str:
        """Make a topic that feeds ``queue``, in SNS envelopes unless ``raw``; returns its ARN."""
        sns = self.sns
        arn = sns.create_topic(Name=name)["TopicArn"]
        sns.subscribe(
            TopicArn=arn,
            Protocol="sqs",
            Endpoint=queue.arn,
            Attributes={"RawMessageDelivery": str(raw).lower()},
        )
        return arn

    def _answers(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.endpoint_url}/moto-api/", timeout=2).is_success
        return False


def create_queue_pair(
    sqs: SQSClient,
    name: str,
    *,
    max_receive_count: int = MAX_RECEIVE_COUNT,
    visibility_timeout_s: int = 300,
) -> QueuePair:
    """Make the queue ``name`` and its dead-letter queue ``name``-dlq, joined by redrive."""
    # A message keeps its age when it moves, so a dead-letter queue has to keep it longer.
    dlq_url = sqs.create_queue(
        QueueName=f"{name}-dlq", Attributes={"MessageRetentionPeriod": str(_TWO_WEEKS_S)}
    )["QueueUrl"]
    dlq_arn = _arn_of(sqs, dlq_url)
    url = sqs.create_queue(
        QueueName=name,
        Attributes={
            "VisibilityTimeout": str(visibility_timeout_s),
            "RedrivePolicy": json.dumps(
                {"deadLetterTargetArn": dlq_arn, "maxReceiveCount": max_receive_count}
            ),
        },
    )["QueueUrl"]
    return QueuePair(url, _arn_of(sqs, url), dlq_url, dlq_arn)


def message_count(sqs: SQSClient, queue_url: str) -> int:
    """Messages on the queue, those included that somebody has received and not yet settled."""
    raw = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])["Attributes"]
    return int(raw["ApproximateNumberOfMessages"]) + int(
        raw["ApproximateNumberOfMessagesNotVisible"]
    )


def _arn_of(sqs: SQSClient, queue_url: str) -> str:
    attributes = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    return attributes["Attributes"]["QueueArn"]
