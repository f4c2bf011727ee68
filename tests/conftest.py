"""Fixtures that several test folders share: PostGIS, AWS, and the acceptance data.

Each pytest process (one for every xdist worker) has a cluster and an AWS emulator of its own.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog
from structlog.testing import LogCapture

from worker import logs
from worker.demo.aws import AwsEmulator, QueuePair
from worker.demo.postgis import DatabaseServer, EmbeddedPostgis
from worker.migrations import runner
from worker.settings import DOMAINS

_TESTS = Path(__file__).parent
_REPOSITORY = _TESTS.parent

# A busy machine is no failure: pytest's own limit ends a test that hangs.
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")


# Those that start workers first: many of their files take minutes, and one that begins last keeps
# a single process busy while the others have nothing left to do.
_LONGEST_FIRST = ("process", "infra", "integration", "hostile", "acceptance", "unit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the folders; within each, files and tests stay as they are."""
    items.sort(key=lambda item: _LONGEST_FIRST.index(item.path.relative_to(_TESTS).parts[0]))


@pytest.fixture(scope="session")
def postgis() -> Iterator[DatabaseServer]:
    """A PostGIS server: TEST_DATABASE_URL (a superuser's) if set, else a throw-away cluster."""
    own = os.environ.get("TEST_DATABASE_URL")
    if own:
        yield DatabaseServer(own)
        return
    with EmbeddedPostgis() as server:
        yield server


@pytest.fixture(scope="session")
def database_template(postgis: DatabaseServer) -> Iterator[str]:
    """Name of a migrated, empty database to clone with ``postgis.create_database``."""
    name = _unique("template")
    runner.upgrade(postgis.create_database(name))
    yield name
    postgis.drop_database(name)


@pytest.fixture
def database_url(postgis: DatabaseServer, database_template: str) -> Iterator[str]:
    """A migrated, empty database of this test's own."""
    name = _unique("test")
    yield postgis.create_database(name, database_template)
    postgis.drop_database(name)


@pytest.fixture(scope="session")
def domains_template(postgis: DatabaseServer, database_template: str) -> Iterator[str]:
    """Name of a migrated, empty database that has the tables of every domain too."""
    name = _unique("domains")
    url = postgis.create_database(name, database_template)
    for domain in DOMAINS:
        runner.upgrade_domain(domain, url)
    yield name
    postgis.drop_database(name)


@pytest.fixture
def domains_url(postgis: DatabaseServer, domains_template: str) -> Iterator[str]:
    """A migrated, empty database with the tables of ``water`` and ``lists``, of this test's own."""
    name = _unique("domain")
    yield postgis.create_database(name, domains_template)
    postgis.drop_database(name)


@pytest.fixture
def empty_database_url(postgis: DatabaseServer) -> Iterator[str]:
    """A database without any migration."""
    name = _unique("empty")
    yield postgis.create_database(name)
    postgis.drop_database(name)


@pytest.fixture(scope="session")
def aws() -> Iterator[AwsEmulator]:
    """SQS, S3 and SNS; os.environ points boto3 at it for the rest of the session."""
    with AwsEmulator() as emulator, pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        patch.delenv("AWS_SESSION_TOKEN", raising=False)
        yield emulator


@pytest.fixture
def queue(aws: AwsEmulator) -> Iterator[QueuePair]:
    """An empty queue of this test's own, with a DLQ after three receives."""
    pair = aws.create_queue_pair(_unique("queue"))
    yield pair
    for url in (pair.url, pair.dlq_url):
        aws.sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def bucket(aws: AwsEmulator) -> str:
    """An empty bucket of this test's own."""
    return aws.create_bucket(_unique("bucket"))


@pytest.fixture(scope="session")
def acceptance_dir() -> Path:
    """Folder of the acceptance data; its absence is a failure, not a reason to skip."""
    given = os.environ.get("ACCEPTANCE_DATA")
    folder = Path(given) if given else _REPOSITORY.parent / "shared" / "acceptance"
    if not folder.is_dir():
        pytest.fail(f"no acceptance data in {folder}: set ACCEPTANCE_DATA to its folder")
    return folder


@pytest.fixture(autouse=True)
def lines_about_nothing() -> Iterator[None]:
    """Fails a test that leaves its message's id on the lines of those that come after it."""
    before = logs.correlation_id()
    yield
    assert logs.correlation_id() == before, "a message was handled outside `correlated`"


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Puts the process's logging back after a test that configures it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def log() -> Iterator[LogCapture]:
    """The events that this process logs in a test, instead of its output."""
    capture = LogCapture()
    structlog.configure(processors=[capture], cache_logger_on_first_use=False)
    yield capture
    structlog.reset_defaults()


def _unique(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex[:12]}"
