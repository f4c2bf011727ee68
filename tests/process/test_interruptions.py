"""A job is told to stop while its database does not answer, or refuses to be told."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.fakes.blocked_queries import computing_blocked
from tests.fakes.environment import Environment
from tests.fakes.sqs_server import INTERNAL_ERROR, SqsServer
from tests.fakes.submissions import put_site, request
from tests.fakes.tcp_proxy import TcpProxy
from worker.migrations import runner

BRIEF = {"WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "3"}


@pytest.fixture
def proxy(environment: Environment) -> Iterator[TcpProxy]:
    """Between the worker and a database."""
    with environment.database_proxy() as one:
        yield one


def through(proxy: TcpProxy, environment: Environment) -> str:
    return make_conninfo(environment.database_url, host="127.0.0.1", port=proxy.port)


def query_waits(environment: Environment) -> object:
    """Whether a query of the worker waits for a lock."""
    return environment.value(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )


def handed_back(environment: Environment) -> bool:
    """Whether the job is open again without a counted attempt."""
    return environment.value("SELECT status || ' ' || attempts FROM jobs.job") == "PENDING 0"


def test_a_silent_database_of_a_job_does_not_keep_its_worker_from_stopping(
    environment: Environment, proxy: TcpProxy
) -> None:
    runner.upgrade_domain("water", environment.database_url)
    environment.send(
        {
            "jobType": "water.licence-updates",
            "scheduledTime": "2026-06-15T07:15:00Z",
            "runDate": "2026-06-15T07:15:00Z",
        }
    )
    with (
        psycopg.connect(environment.database_url) as lock,
        environment.worker(**BRIEF, WATER_DATABASE_URL=through(proxy, environment)) as worker,
    ):
        lock.execute("LOCK TABLE water.licences IN ACCESS EXCLUSIVE MODE")
        worker.wait_until(lambda: query_waits(environment), "a query that waits")
        proxy.silence()
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0

    assert worker.events("abort.failed"), "the query could not be cancelled"
    assert worker.events("message.released", delay_s=0)
    assert handed_back(environment)


def test_a_database_that_refuses_a_cancel_does_not_make_the_stop_a_crash(
    environment: Environment, proxy: TcpProxy
) -> None:
    put_site(environment)
    environment.send(request())
    with (
        computing_blocked(environment),
        environment.worker(**BRIEF, DATABASE_URL=through(proxy, environment)) as worker,
    ):
        worker.wait_until(lambda: query_waits(environment), "a query that waits")
        proxy.refuse()
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0

    assert worker.events("abort.failed")
    assert worker.events("job.crashed") == []
    assert worker.events("job.interrupted", reason="stop_requested")
    assert worker.events("message.released", delay_s=0)
    assert handed_back(environment)


def test_a_database_that_refuses_a_cancel_does_not_end_the_keeper(
    on_double: Environment, double: SqsServer, proxy: TcpProxy
) -> None:
    put_site(on_double)
    double.misbehave_always("ChangeMessageVisibility", INTERNAL_ERROR)
    short = {"WORKER_LEASE_SECONDS": "3", "SQS_VISIBILITY_TIMEOUT": "9"}
    with (
        computing_blocked(on_double) as lock,
        on_double.worker(**short, DATABASE_URL=through(proxy, on_double)) as worker,
    ):
        on_double.send(request())
        worker.wait_until(lambda: query_waits(on_double), "a query that waits")
        proxy.refuse()
        worker.wait_for("abort.failed")
        lock.close()
        worker.wait_for("job.handed_back", error_code="lease_not_renewed")

    assert worker.events("thread.died") == []
    assert handed_back(on_double)
