"""What the real worker finds around it in a test, and settings that several tests give it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.fakes import faulty_worker
from tests.fakes.sqs_server import SqsServer
from tests.fakes.tcp_proxy import TcpProxy
from tests.fakes.worker_process import WorkerProcess, running_worker
from worker.demo.aws import AwsEmulator, QueuePair
from worker.demo.backend import API_KEY as BACKEND_KEY
from worker.demo.backend import FakeBackend
from worker.demo.notify import API_KEY as NOTIFY_KEY
from worker.demo.notify import FakeNotify

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import MessageAttributeValueTypeDef

COMPLETED, FAILED = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
SWEEPS = {"WORKER_SWEEP_INTERVAL_SECONDS": "0.5"}
PAUSE = {"WORKER_CONFIGURATION_PAUSE_SECONDS": "1", "WORKER_SWEEP_INTERVAL_SECONDS": "0.5"}


@dataclass
class Environment:
    """What the worker finds around it, and what a test may do to it."""

    database_url: str
    aws: AwsEmulator
    queue: QueuePair
    bucket: str
    backend: FakeBackend
    notify: FakeNotify
    # Serves the queue in the place of ``aws``, which has S3 all the same.
    double: SqsServer | None = None

    @property
    def sqs(self) -> SQSClient:
        """A client of whatever serves the queue."""
        return self.double.client if self.double else self.aws.sqs

    def variables(self, **changes: str) -> dict[str, str]:
        """The worker's environment; short waits, so that tests need not."""
        return {
            **self._endpoints(),
            "DATABASE_URL": self.database_url,
            "SQS_QUEUE_URL": self.queue.url,
            "SQS_DLQ_URL": self.queue.dlq_url,
            "SQS_WAIT_TIME_SECONDS": "1",
            "S3_INPUT_BUCKET": self.bucket,
            "S3_REFERENCE_BUCKET": self.bucket,
            "BACKEND_BASE_URL": self.backend.url,
            "BACKEND_API_KEY": BACKEND_KEY,
            "BACKEND_RETRY_WAIT_SECONDS": "0.05",
            "BACKEND_ACCEPTS_EMPTY_EDPS": "true",
            "GOVUK_NOTIFY_API_KEY": NOTIFY_KEY,
            "GOVUK_NOTIFY_BASE_URL": self.notify.url,
            "GOVUK_NOTIFY_TEMPLATE_JOB_COMPLETED": COMPLETED,
            "GOVUK_NOTIFY_TEMPLATE_JOB_FAILED": FAILED,
            "GOVUK_NOTIFY_SUPPORT_EMAIL": "support@example.gov.uk",
            "GOVUK_NOTIFY_RESULTS_BASE_URL": "https://nrf.example.gov.uk/results",
            "HEALTH_PORT": "0",
            "HEALTH_HOST": "127.0.0.1",
            "LOG_FORMAT": "json",
            "WORKER_BACKOFF_BASE_SECONDS": "0.2",
            **changes,
        }

    def _endpoints(self) -> dict[str, str]:
        if self.double is None:
            return dict(self.aws.environment)
        others = dict(self.aws.environment)
        endpoint = others.pop("AWS_ENDPOINT_URL")
        return {
            **others,
            "AWS_ENDPOINT_URL_S3": endpoint,
            "AWS_ENDPOINT_URL_SQS": self.double.endpoint_url,
        }

    def worker(self, **changes: str) -> AbstractContextManager[WorkerProcess]:
        return running_worker(self.variables(**changes))

    def faulty_worker(
        self, fault: str, argument: str = "", **changes: str
    ) -> AbstractContextManager[WorkerProcess]:
        """A worker with one of the faults of ``tests.fakes.faulty_worker`` in it."""
        program = (faulty_worker.__name__, fault, argument)
        return running_worker(self.variables(**changes), program)

    def database_proxy(self) -> TcpProxy:
        """What may stand between a worker and its database; not yet entered."""
        server = conninfo_to_dict(self.database_url)
        return TcpProxy(str(server["host"]), int(str(server["port"])))

    def upload(self, file: Path, key: str) -> str:
        self.aws.s3.upload_file(str(file), self.bucket, key)
        return key

    def send(self, body: Mapping[str, object] | str, *, correlation_id: str | None = None) -> str:
        """Put a message on the queue; returns its id."""
        attributes: dict[str, MessageAttributeValueTypeDef] = {}
        if correlation_id:
            attributes["CorrelationId"] = {"DataType": "String", "StringValue": correlation_id}
        answer = self.sqs.send_message(
            QueueUrl=self.queue.url,
            MessageBody=body if isinstance(body, str) else json.dumps(body),
            MessageAttributes=attributes,
        )
        return answer["MessageId"]

    def messages(self, url: str | None = None) -> int:
        """Messages on the queue (or another), visible or not."""
        raw = self.sqs.get_queue_attributes(QueueUrl=url or self.queue.url, AttributeNames=["All"])[
            "Attributes"
        ]
        return int(raw["ApproximateNumberOfMessages"]) + int(
            raw["ApproximateNumberOfMessagesNotVisible"]
        )

    def dead_letters(self) -> int:
        return self.messages(self.queue.dlq_url)

    def value(self, query: str, *parameters: object) -> object:
        """The only value of the first row; None if there is none."""
        with psycopg.connect(self.database_url) as connection:
            row = connection.execute(query.encode(), parameters).fetchone()
        return row[0] if row else None
