"""What goes wrong around the real worker, and what it makes of that."""

from __future__ import annotations

import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.fakes.blocked_queries import computing_blocked, told_to_blocked
from tests.fakes.clients import JANE
from tests.fakes.environment import COMPLETED, FAILED, Environment
from tests.fakes.ledger import LedgerBench
from tests.fakes.submissions import put_site, quote, request
from worker.demo.fake_service import Misbehaviour, failing
from worker.errors import PermanentError
from worker.jobs.deliveries import EmailDelivery
from worker.ledger.models import NewDelivery

STARTED = str(uuid.UUID(int=3))
SHORT_LEASE = {"WORKER_LEASE_SECONDS": "2", "SQS_VISIBILITY_TIMEOUT": "7"}


def test_a_started_email_is_sent_once_before_the_work(environment: Environment) -> None:
    put_site(environment)
    environment.send(request())
    with environment.worker(GOVUK_NOTIFY_TEMPLATE_JOB_STARTED=STARTED) as worker:
        worker.wait_for("message.deleted")

    assert [one.template_id for one in environment.notify.sent] == [STARTED, COMPLETED]


def test_an_absurd_answer_postpones_a_delivery_and_does_not_end_the_worker(
    environment: Environment,
) -> None:
    environment.backend.misbehave(failing(503, retry_after="9" * 400))
    environment.send(quote())
    with environment.worker() as worker:
        worker.wait_for("delivery.postponed")
        environment.send(quote("NRF-000002"))
        worker.wait_for("message.deleted")
        assert worker.process.poll() is None

    assert "NRF-000002" in environment.backend.quotes


@contextmanager
def no_row_may_change(environment: Environment, table: str, when: str) -> Iterator[None]:
    """The database refuses with an error that nothing has foreseen."""
    with psycopg.connect(environment.database_url, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
            " AS 'BEGIN RAISE EXCEPTION ''not today''; END'"
        )
        connection.execute(
            f"CREATE TRIGGER refusing BEFORE UPDATE ON jobs.{table} FOR EACH ROW WHEN ({when})"
            " EXECUTE FUNCTION refuse()".encode()
        )
        yield
        connection.execute(f"DROP TRIGGER refusing ON jobs.{table}".encode())


@pytest.mark.parametrize(
    ("crash", "table", "when"),
    [
        ("sweep.crashed", "delivery", "NEW.claimed_by IS NOT NULL"),
        ("housekeeping.crashed", "job", "NEW.erased_at IS NOT NULL"),
    ],
)
def test_a_crash_between_messages_is_told_once_an_interval_and_ends_no_worker(
    environment: Environment, crash: str, table: str, when: str
) -> None:
    told = EmailDelivery(template_id=FAILED, to=JANE, personalisation={})
    notices = (NewDelivery("failed-support", told.kind, told.as_json()),)
    left = notices if table == "delivery" else ()
    frequent = {"SQS_WAIT_TIME_SECONDS": "0", "LOG_LEVEL": "debug"}
    with environment.worker(**frequent, WORKER_SWEEP_INTERVAL_SECONDS="3") as worker:
        with no_row_may_change(environment, table, when):
            bench = LedgerBench(environment.database_url)
            bench.ledger.fail(bench.claimed(), PermanentError("broken", "No."), left)
            with psycopg.connect(environment.database_url) as connection:
                connection.execute("UPDATE jobs.job SET finished_at = now() - interval '91 days'")
            worker.wait_until(lambda: len(worker.events(crash)) == 2, "two crashes")
        worker.wait_for("personal_data.erased")

    crashes = worker.events(crash)
    assert "not today" in str(crashes[0]["error.message"])
    first, second = (worker.lines.index(line) for line in crashes[:2])
    polls = [line for line in worker.lines[first:second] if line["message"] == "queue.polled"]
    assert len(polls) > 1, "it waits for its interval"
    assert len(environment.notify.sent) == len(left)


def test_a_query_cancelled_by_an_administrator_is_tried_again(environment: Environment) -> None:
    put_site(environment)
    with environment.worker() as worker:
        with computing_blocked(environment):
            environment.send(request())
            worker.wait_until(lambda: told_to_blocked(environment, "pg_cancel_backend"), "query")
            retried = worker.wait_for("job.retried")
        worker.wait_for("message.deleted")

    assert retried["error_code"] == "query_cancelled"
    assert len(environment.backend.received) == 1


def test_a_lost_database_connection_costs_no_attempt(environment: Environment) -> None:
    put_site(environment)
    with environment.worker() as worker:
        with computing_blocked(environment):
            environment.send(request())
            worker.wait_until(lambda: told_to_blocked(environment, "pg_terminate_backend"), "query")
            worker.wait_for("job.handed_back")
        worker.wait_for("message.released", delay_s=30)

    assert environment.value("SELECT attempts FROM jobs.job") == 0
    assert environment.value("SELECT status::text FROM jobs.job") == "PENDING"


def test_sigterm_during_a_delivery_keeps_the_outcome_for_the_next_worker(
    environment: Environment,
) -> None:
    environment.backend.misbehave(Misbehaviour(delay_s=8.0))
    environment.send(quote())
    with environment.worker(WORKER_GRACEFUL_SHUTDOWN_TIMEOUT="3") as worker:
        worker.wait_for("job.succeeded")
        worker.signal(signal.SIGTERM)
        asked = time.monotonic()
        assert worker.wait() == 0
        assert time.monotonic() - asked < 3.5
    assert environment.value("SELECT status::text FROM jobs.job") == "SUCCEEDED"
    # Its claim on the delivery ends with time; the test does not wait for that.
    with psycopg.connect(environment.database_url) as connection:
        connection.execute("UPDATE jobs.delivery SET claimed_until = NULL")

    with environment.worker() as worker:
        worker.wait_for("message.deleted")

    assert worker.events("job.claimed") == [], "the stored result is not computed again"
    assert environment.backend.quotes["NRF-000001"].changes == 1


def test_an_idle_worker_makes_deliveries_whose_message_is_gone(environment: Environment) -> None:
    environment.backend.misbehave_always(failing(503))
    environment.send(quote())
    with environment.worker(WORKER_BACKOFF_BASE_SECONDS="1") as worker:
        worker.wait_for("message.released")
    environment.aws.sqs.purge_queue(QueueUrl=environment.queue.url)
    environment.backend.misbehave_always(None)

    with environment.worker(WORKER_SWEEP_INTERVAL_SECONDS="0.5") as worker:
        worker.wait_for("delivery.made")

    assert worker.events("message.received") == []
    assert environment.backend.quotes["NRF-000001"].changes == 1


def due_later(environment: Environment, deliveries: int) -> int:
    """Have a sweep find so many deliveries; returns how many requests the backend has had."""
    environment.backend.misbehave_always(failing(503))
    with environment.worker(WORKER_BACKOFF_BASE_SECONDS="1") as worker:
        for number in range(1, deliveries + 1):
            environment.send(quote(f"NRF-00000{number}"))
        worker.wait_until(lambda: len(worker.events("message.released")) >= deliveries, "released")
    environment.aws.sqs.purge_queue(QueueUrl=environment.queue.url)
    return len(environment.backend.received)


def test_a_stop_during_a_sweep_lets_it_begin_no_other_delivery(environment: Environment) -> None:
    received = due_later(environment, 4)
    environment.backend.misbehave_always(Misbehaviour(delay_s=1.0))

    with environment.worker(WORKER_SWEEP_INTERVAL_SECONDS="0.5") as worker:
        worker.wait_until(lambda: len(environment.backend.received) > received, "a sweep")
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0

    assert len(worker.events("delivery.made")) == 1, "what was being sent"
    assert len(environment.backend.received) == received + 1


def test_a_stop_during_a_sweep_does_not_wait_for_all_of_it(environment: Environment) -> None:
    received = due_later(environment, 4)
    environment.backend.misbehave_always(Misbehaviour(delay_s=5.0))

    with environment.worker(
        WORKER_SWEEP_INTERVAL_SECONDS="0.5", WORKER_GRACEFUL_SHUTDOWN_TIMEOUT="3"
    ) as worker:
        worker.wait_until(lambda: len(environment.backend.received) > received, "a sweep")
        worker.signal(signal.SIGTERM)
        asked = time.monotonic()
        assert worker.wait() == 0
        assert time.monotonic() - asked < 4.5


def test_a_batch_is_kept_while_its_first_runs_and_released_at_a_stop(
    environment: Environment,
) -> None:
    for number in range(1, 4):
        put_site(environment, f"job-{number}/site.zip")
        environment.send(request(f"job-{number}"))
    with (
        computing_blocked(environment),
        environment.worker(SQS_MAX_MESSAGES="3", WORKER_GRACEFUL_SHUTDOWN_TIMEOUT="3") as worker,
    ):
        worker.wait_for("job.claimed")
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0

    assert len(worker.events("message.released", delay_s=0)) == 3
    assert len(worker.events("job.claimed")) == 1
    with environment.worker(SQS_MAX_MESSAGES="3") as worker:
        worker.wait_until(lambda: len(worker.events("message.deleted")) == 3, "all deleted")
    assert len(environment.backend.results) == 3


def test_a_job_that_ends_its_worker_twice_is_poison_at_the_third_receive(
    environment: Environment,
) -> None:
    put_site(environment)
    environment.send(request())
    for _ in range(2):
        with computing_blocked(environment), environment.worker(**SHORT_LEASE) as worker:
            worker.wait_for("job.claimed")
            worker.signal(signal.SIGKILL)
            worker.wait()

    with environment.worker(**SHORT_LEASE) as worker:
        worker.wait_until(lambda: environment.dead_letters() == 1, "dead letter")

    assert worker.events("job.poison", error_code="job_poison")
    assert worker.events("job.claimed") == []
    assert [one.template_id for one in environment.notify.sent] == [FAILED]


def test_a_job_whose_layers_are_not_loaded_uses_its_receives_and_tells_its_requester(
    environment: Environment,
) -> None:
    with psycopg.connect(environment.database_url) as connection:
        connection.execute("DELETE FROM reference.active_versions WHERE layer = 'gcn_risk_zones'")
    put_site(environment)
    environment.send(request(assessment_type="gcn"))

    with environment.worker() as worker:
        worker.wait_until(lambda: environment.dead_letters() == 1, "dead letter")

    failed = worker.wait_for("job.failed")
    assert failed["error_code"] == "reference_data_missing"
    assert [one.template_id for one in environment.notify.sent] == [FAILED]


def test_a_quotes_trace_id_is_on_every_line_of_its_message(environment: Environment) -> None:
    environment.send(quote(traceId="trace-in-the-body"))
    environment.send({"traceId": "trace-of-no-job"})
    with environment.worker() as worker:
        worker.wait_for("message.deleted")
        refused = worker.wait_for("message.invalid")

    received = worker.wait_for("message.received")
    assert received["correlation_id"] == "trace-in-the-body"
    assert refused["correlation_id"] == "trace-of-no-job"
    lines = [line for line in worker.lines if line.get("message_id") == received["message_id"]]
    assert {line["correlation_id"] for line in lines} == {"trace-in-the-body"}
