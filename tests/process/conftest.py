"""A whole environment for the real worker: PostGIS with reference data, AWS, backend, Notify."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from tests.fakes.environment import Environment
from tests.fakes.sqs_server import SqsServer
from worker.demo.aws import AwsEmulator, QueuePair, create_queue_pair
from worker.demo.backend import FakeBackend
from worker.demo.notify import FakeNotify
from worker.demo.postgis import DatabaseServer
from worker.reference.generate import generate
from worker.reference.load import load_directory


@pytest.fixture(scope="session")
def reference_template(
    postgis: DatabaseServer,
    database_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """Name of a migrated database with a small generated data set."""
    directory = tmp_path_factory.mktemp("reference")
    generate(directory, seed=7, cells=2_000)
    name = f"reference-{uuid.uuid4().hex[:12]}"
    url = postgis.create_database(name, database_template)
    with psycopg.connect(url) as connection:
        load_directory(connection, directory, label="generated", loaded_by="tests")
    return name


@pytest.fixture
def environment(
    postgis: DatabaseServer,
    reference_template: str,
    aws: AwsEmulator,
    queue: QueuePair,
    bucket: str,
) -> Iterator[Environment]:
    """A fresh environment of this test's own."""
    name = f"process-{uuid.uuid4().hex[:12]}"
    url = postgis.create_database(name, reference_template)
    with FakeBackend() as backend, FakeNotify() as notify:
        yield Environment(url, aws, queue, bucket, backend, notify)
    postgis.drop_database(name)


@pytest.fixture
def on_double(environment: Environment) -> Iterator[Environment]:
    """The same with an SQS that does what AWS documents, and whatever a test tells it to."""
    with SqsServer() as double:
        queue = create_queue_pair(double.client, "jobs")
        yield replace(environment, queue=queue, double=double)


@pytest.fixture
def double(on_double: Environment) -> SqsServer:
    """The SQS of ``on_double``."""
    assert on_double.double is not None
    return on_double.double
