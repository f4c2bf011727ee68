"""The database goes away, turns read-only, is slow or holds nonsense; clocks differ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.fakes.blocked_queries import computing_blocked, told_to_blocked
from tests.fakes.environment import COMPLETED, FAILED, PAUSE, Environment
from tests.fakes.ledger import CLAIM_FOR_AN_HOUR, END_CLAIM
from tests.fakes.submissions import put_site, quote, request
from tests.fakes.tcp_proxy import TcpProxy
from tests.fakes.worker_process import health_of
from worker.demo.fake_service import failing

IMPATIENT = {"DB_CONNECT_TIMEOUT_SECONDS": "1"}


@pytest.fixture
def proxy(environment: Environment) -> Iterator[TcpProxy]:
    """Between the worker and the database."""
    with environment.database_proxy() as one:
        yield one


def through(proxy: TcpProxy, environment: Environment) -> dict[str, str]:
    there = make_conninfo(environment.database_url, host="127.0.0.1", port=proxy.port)
    return {"DATABASE_URL": there, **IMPATIENT}


def test_nothing_is_received_while_the_database_is_down_and_health_stays_good(
    environment: Environment, proxy: TcpProxy
) -> None:
    limits = {"HEALTH_IDLE_LIMIT_SECONDS": "10", "HEALTH_POLL_MARGIN_SECONDS": "10"}
    with environment.worker(**through(proxy, environment), **limits) as worker:
        url = health_of(worker)
        worker.wait_for("worker.polling")
        proxy.cut()
        down = worker.wait_for("dependency.down", dependency="database")
        environment.send(quote())
        answers = list[int]()

        def outage_outlasts_the_limits() -> bool:
            answer = httpx.get(url)
            answers.append(answer.status_code)
            return float(answer.json()["lastPollAgeSeconds"]) > 15

        worker.wait_until(outage_outlasts_the_limits, "a long outage")
        assert set(answers) == {200}
        assert worker.events("message.received") == []
        proxy.join()
        worker.wait_for("dependency.up")
        received = worker.wait_for("message.received")
        worker.wait_for("message.deleted")

    assert down["error_code"] == "database_unavailable"
    assert len(worker.events("dependency.down", dependency="database")) == 1, "said once"
    assert received["receive_count"] == 1
    assert environment.value("SELECT attempts FROM jobs.job") == 1


def test_a_database_lost_between_poll_and_claim_costs_no_attempt(
    environment: Environment, proxy: TcpProxy
) -> None:
    variables = {**through(proxy, environment), "SQS_WAIT_TIME_SECONDS": "20"}
    with environment.worker(**variables) as worker:
        url = health_of(worker)
        worker.wait_for("worker.polling")
        worker.wait_until(lambda: httpx.get(url).json()["phase"] == "polling", "a poll")
        proxy.cut()
        environment.send(quote())
        worker.wait_for("message.released", delay_s=30)
        assert worker.events("dependency.down", error_code="database_unavailable")
        assert environment.value("SELECT count(*) FROM jobs.job") == 0
        # Found by the probe too, before the next poll.
        worker.wait_for("dependency.down", dependency="database")
        proxy.join()
        worker.wait_for("dependency.up")
        environment.send(quote())
        worker.wait_for("message.deleted")

    assert environment.value("SELECT attempts FROM jobs.job") == 1
    assert environment.backend.quotes["NRF-000001"].changes == 1


def test_a_batch_asks_a_lost_database_once(environment: Environment, proxy: TcpProxy) -> None:
    variables = {
        **through(proxy, environment),
        "SQS_WAIT_TIME_SECONDS": "20",
        "SQS_MAX_MESSAGES": "10",
    }
    with environment.worker(**variables) as worker:
        url = health_of(worker)
        worker.wait_for("worker.polling")
        worker.wait_until(lambda: httpx.get(url).json()["phase"] == "polling", "a poll")
        proxy.cut()
        environment.sqs.send_message_batch(
            QueueUrl=environment.queue.url,
            Entries=[
                {"Id": str(number), "MessageBody": json.dumps(quote(f"NRF-00000{number}"))}
                for number in range(4)
            ],
        )
        worker.wait_until(
            lambda: len(worker.events("message.released", delay_s=30)) == 4, "a released batch"
        )
        assert len(worker.events("message.received")) == 1

    assert len(worker.events("dependency.down", error_code="database_unavailable")) == 1


def test_a_database_lost_at_the_commit_leaves_one_result(environment: Environment) -> None:
    put_site(environment)
    with environment.worker() as worker:
        with psycopg.connect(environment.database_url) as lock:
            lock.execute("LOCK TABLE jobs.result IN ACCESS EXCLUSIVE MODE")
            environment.send(request())
            worker.wait_until(
                lambda: told_to_blocked(environment, "pg_terminate_backend"), "waiting commit"
            )
        handed_back = worker.wait_for("job.handed_back")
        # The same body again instead of a wait for the first message.
        environment.send(request())
        worker.wait_for("message.deleted")

    assert handed_back["error_code"] == "database_unavailable"
    assert len(worker.events("job.claimed")) == 2
    assert environment.value("SELECT count(*) FROM jobs.result") == 1
    assert environment.value("SELECT attempts FROM jobs.job") == 1
    assert len(environment.backend.received) == 1
    assert len(environment.notify.sent) == 1


def test_outages_that_outlast_the_lease_cost_no_attempt_however_many(
    environment: Environment, proxy: TcpProxy
) -> None:
    def outlasted() -> object:
        return environment.value(
            "SELECT bool_and(completed_at IS NOT NULL OR expires_at < now()) FROM jobs.assignment"
        )

    put_site(environment)
    environment.send(request())
    short = {"WORKER_LEASE_SECONDS": "3", "SQS_VISIBILITY_TIMEOUT": "9"}
    with environment.worker(**through(proxy, environment), **short) as worker:

        def told(event: str, times: int) -> None:
            worker.wait_until(lambda: len(worker.events(event)) == times, f"{event} {times}")

        for outage in (1, 2):
            with computing_blocked(environment):
                told("job.claimed", outage)
                proxy.cut()
                told("claim.left", outage)
                worker.wait_until(outlasted, "a lease that has passed")
                assert len(worker.events("job.handed_back")) == outage - 1, "said once written"
            proxy.join()
            told("job.handed_back", outage)
        worker.wait_for("message.deleted")

    outcomes = "SELECT array_agg(outcome ORDER BY id) FROM jobs.assignment"
    assert environment.value(outcomes) == ["handed_back", "handed_back", "succeeded"]
    assert environment.value("SELECT attempts FROM jobs.job") == 1
    assert worker.events("job.poison") == []
    assert len(environment.backend.received) == 1
    assert [one.template_id for one in environment.notify.sent] == [COMPLETED]


def test_an_outage_during_a_pause_does_not_end_the_pause(
    environment: Environment, proxy: TcpProxy
) -> None:
    environment.backend.misbehave_always(failing(401))
    environment.send(quote())
    with environment.worker(**through(proxy, environment), **PAUSE, LOG_LEVEL="debug") as worker:

        def asked_again(since: int) -> bool:
            return len(worker.events("polling.waiting")) >= since + 4

        worker.wait_for("polling.paused")
        # As another worker's sweep does: ours has nothing of its own to ask with.
        worker.wait_until(lambda: environment.value(CLAIM_FOR_AN_HOUR), "a delivery to claim")
        proxy.cut()
        worker.wait_for("dependency.down", error_code="database_unavailable")
        proxy.join()
        environment.send(quote("NRF-000002"))
        waited = len(worker.events("polling.waiting"))
        worker.wait_until(lambda: asked_again(waited) or worker.events("polling.resumed"), "waits")
        assert worker.events("polling.resumed") == []
        assert len(worker.events("message.received")) == 1, "no receive is spent on a guess"
        environment.backend.misbehave_always(None)
        assert environment.value(END_CLAIM) == 1
        worker.wait_for("polling.resumed", error_code="backend_refused_us")
        worker.wait_until(lambda: len(environment.backend.quotes) == 2, "both results")


def test_a_failover_to_a_read_only_standby_is_an_outage_that_ends_by_itself(
    environment: Environment,
) -> None:
    def turn(read_only: str) -> None:
        with psycopg.connect(environment.database_url, autocommit=True) as admin:
            admin.execute("SET default_transaction_read_only = off")
            admin.execute(
                sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}").format(
                    sql.Identifier(admin.info.dbname), sql.Literal(read_only)
                )
            )
            # The old server is gone, and its sessions with it.
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    with environment.worker(**IMPATIENT) as worker:
        worker.wait_for("worker.polling")
        turn("on")
        down = worker.wait_for("dependency.down", dependency="database")
        environment.send(quote())
        turn("off")
        worker.wait_for("dependency.up")
        worker.wait_for("message.deleted")

    assert down["error_code"] == "database_unavailable"
    assert len(worker.events("message.received")) == 1
    assert environment.value("SELECT attempts FROM jobs.job") == 1


def test_a_server_that_becomes_read_only_during_a_job_costs_no_attempt(
    environment: Environment,
) -> None:
    put_site(environment)
    with environment.worker(**IMPATIENT) as worker:
        with computing_blocked(environment):
            environment.send(request())
            worker.wait_for("job.claimed")
            with psycopg.connect(environment.database_url, autocommit=True) as admin:
                # The session that writes the result still exists, on what is now a standby.
                admin.execute(
                    "CREATE FUNCTION jobs.standby() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                    " RAISE EXCEPTION 'cannot execute INSERT in a read-only transaction'"
                    " USING ERRCODE = '25006'; END $$"
                )
                admin.execute(
                    "CREATE TRIGGER standby BEFORE INSERT ON jobs.result"
                    " EXECUTE FUNCTION jobs.standby()"
                )
        handed_back = worker.wait_for("job.handed_back")
        with psycopg.connect(environment.database_url, autocommit=True) as admin:
            admin.execute("DROP TRIGGER standby ON jobs.result")
        environment.send(request())
        worker.wait_for("message.deleted")

    assert handed_back["error_code"] == "database_unavailable"
    assert "read-only" in str(handed_back["error_detail"])
    assert environment.value("SELECT attempts FROM jobs.job") == 1
    assert len(environment.backend.received) == 1


def test_a_query_that_takes_too_long_is_tried_again(environment: Environment) -> None:
    put_site(environment)
    with environment.worker(DB_STATEMENT_TIMEOUT_SECONDS="2") as worker:
        with computing_blocked(environment):
            environment.send(request())
            retried = worker.wait_for("job.retried")
        worker.wait_for("message.deleted")

    assert retried["error_code"] == "database_timeout"
    assert len(environment.backend.received) == 1


def test_a_reference_geometry_that_cannot_be_measured_fails_the_job_for_good(
    environment: Environment,
) -> None:
    with psycopg.connect(environment.database_url) as connection:
        # A bow-tie across the site: GEOS finds no inside of it.
        connection.execute(
            "UPDATE reference.nn_catchments_parts SET geom = ST_GeomFromText("
            "'POLYGON((455000 262000, 455200 262200, 455200 262000, 455000 262200, 455000 262000))'"
            ", 27700)"
        )
    put_site(environment)
    environment.send(request())
    with environment.worker() as worker:
        failed = worker.wait_for("job.failed")

    assert failed["error_code"] == "reference_geometry_unusable"
    assert len(worker.events("job.claimed")) == 1


def test_a_job_that_needs_more_than_the_database_gives_fails_and_is_told(
    environment: Environment,
) -> None:
    with psycopg.connect(environment.database_url, autocommit=True) as admin:
        for limit in ("work_mem", "temp_file_limit"):
            admin.execute(
                sql.SQL("ALTER DATABASE {} SET {} = '64kB'").format(
                    sql.Identifier(admin.info.dbname), sql.Identifier(limit)
                )
            )
        admin.execute(
            "CREATE FUNCTION jobs.sort() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " PERFORM count(*) FROM (SELECT i FROM generate_series(1, 100000) i ORDER BY i DESC) s;"
            " RETURN new; END $$"
        )
        admin.execute(
            "CREATE TRIGGER sort BEFORE INSERT ON jobs.result EXECUTE FUNCTION jobs.sort()"
        )
    put_site(environment)
    environment.send(request())
    with environment.worker(**IMPATIENT) as worker:
        failed = worker.wait_for("job.failed")
        worker.wait_until(lambda: environment.dead_letters() == 1, "dead letter")
        worker.wait_until(lambda: environment.notify.sent, "an e-mail")

    codes = [line["error_code"] for line in worker.events("job.retried")]
    assert codes == ["database_failed", "database_failed"]
    assert failed["error_code"] == "attempts_exhausted"
    assert "temp_file_limit" in str(failed["error_detail"])
    assert worker.events("job.handed_back") == []
    assert [one.template_id for one in environment.notify.sent] == [FAILED]


def test_clocks_that_differ_by_two_hours_change_nothing(environment: Environment) -> None:
    lease = {"WORKER_LEASE_SECONDS": "2", "SQS_VISIBILITY_TIMEOUT": "7"}
    with (
        environment.faulty_worker("clock-is-off", "-3600", **lease) as behind,
        environment.faulty_worker("clock-is-off", "3600", **lease) as ahead,
    ):
        behind.wait_for("worker.polling")
        ahead.wait_for("worker.polling")
        with computing_blocked(environment):
            # The same job twice: one of them gets it, the other one sees its lease.
            environment.send(quote())
            environment.send(quote())
            busy = ahead.wait_until(
                lambda: ahead.events("job.busy") + behind.events("job.busy"), "a busy job"
            )
            renewed = "SELECT renewed_at > claimed_at + interval '3 s' FROM jobs.assignment"
            ahead.wait_until(lambda: environment.value(renewed), "a renewed lease")
        ahead.wait_until(
            lambda: ahead.events("message.deleted") + behind.events("message.deleted"), "a delete"
        )
        started = [str(one.wait_for("worker.started")["@timestamp"]) for one in (behind, ahead)]

    remaining_s = busy[0]["lease_remaining_s"]
    assert isinstance(remaining_s, float)
    assert 0 < remaining_s <= 2
    skew = datetime.fromisoformat(started[1]) - datetime.fromisoformat(started[0])
    assert skew > timedelta(minutes=100), "their clocks do differ"
    assert environment.value("SELECT count(*) FROM jobs.assignment") == 1
    assert ahead.events("job.reaped") + behind.events("job.reaped") == []
    assert environment.backend.quotes["NRF-000001"].changes == 1
    assert len(environment.backend.received) == 1
