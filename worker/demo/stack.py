"""Everything that the worker talks to, on this machine: PostGIS, AWS, a backend and Notify."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from worker.demo import backend as fake_backend
from worker.demo import notify as fake_notify
from worker.demo.aws import AwsEmulator, QueuePair
from worker.demo.backend import FakeBackend
from worker.demo.notify import FakeNotify
from worker.demo.postgis import DatabaseServer, EmbeddedPostgis

COMPLETED_TEMPLATE = str(uuid.UUID(int=1))
FAILED_TEMPLATE = str(uuid.UUID(int=2))

_INHERITED = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Stack:
    """The running services, and the queue, bucket and topic that were made in them."""

    database_url: str
    aws: AwsEmulator
    queue: QueuePair
    bucket: str
    topic: str
    backend: FakeBackend
    notify: FakeNotify

    def environment(self) -> Mapping[str, str]:
        """The worker's whole environment, so that nothing of the caller's settings reaches it."""
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return {
            **inherited,
            **self.aws.environment,
            "DATABASE_URL": self.database_url,
            "SQS_QUEUE_URL": self.queue.url,
            "SQS_DLQ_URL": self.queue.dlq_url,
            "SQS_WAIT_TIME_SECONDS": "1",
            "S3_INPUT_BUCKET": self.bucket,
            "S3_REFERENCE_BUCKET": self.bucket,
            "S3_OUTPUT_BUCKET": self.bucket,
            "BACKEND_BASE_URL": self.backend.url,
            "BACKEND_API_KEY": fake_backend.API_KEY,
            "GOVUK_NOTIFY_API_KEY": fake_notify.API_KEY,
            "GOVUK_NOTIFY_BASE_URL": self.notify.url,
            "GOVUK_NOTIFY_TEMPLATE_JOB_COMPLETED": COMPLETED_TEMPLATE,
            "GOVUK_NOTIFY_TEMPLATE_JOB_FAILED": FAILED_TEMPLATE,
            "GOVUK_NOTIFY_SUPPORT_EMAIL": "support@example.gov.uk",
            "GOVUK_NOTIFY_RESULTS_BASE_URL": "https://nrf.example.gov.uk/results",
            "HEALTH_HOST": "127.0.0.1",
            "HEALTH_PORT": "0",
            "LOG_FORMAT": "json",
        }


@contextmanager
def demo_database(server_url: str | None) -> Iterator[str]:
    """URL of an empty database that is gone after the block.

    It is made on the server at ``server_url`` (whose other databases are left alone), or on a
    throw-away cluster.
    """
    if server_url is None:
        with EmbeddedPostgis() as server:
            yield server.create_database("nrf-demo")
        return
    own = DatabaseServer(server_url)
    name = f"nrf-demo-{uuid.uuid4().hex[:12]}"
    url = own.create_database(name)
    try:
        yield url
    finally:
        own.drop_database(name)


@contextmanager
def services(database_url: str) -> Iterator[Stack]:
    """AWS, backend and Notify around a database that is ready."""
    with AwsEmulator() as aws, FakeBackend() as backend, FakeNotify() as notify:
        queue = aws.create_queue_pair("nrf-assessments")
        yield Stack(
            database_url=database_url,
            aws=aws,
            queue=queue,
            bucket=aws.create_bucket("nrf-boundaries"),
            topic=aws.create_topic("nrf-quotes", queue),
            backend=backend,
            notify=notify,
        )
