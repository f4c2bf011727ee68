"""What the real worker writes answers the operators' saved queries, and gives nothing away."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import psycopg
import pytest

from scripts.events import logged_events
from tests.fakes.aws_proxy import AwsProxy
from tests.fakes.embedded_metrics import figures
from tests.fakes.environment import Environment
from tests.fakes.insights import QUERIES, named_fields, run, saved_query
from tests.fakes.submissions import put_broken_site, put_site, quote, request
from worker.demo.fake_service import failing

# On every line, or made by the log itself.
STANDARD = {"@timestamp", "message", "correlation_id", "job_id", "job_type", "attempt"}


def test_operators_find_a_request_its_failure_and_what_it_was_computed_with(
    environment: Environment,
) -> None:
    put_site(environment)
    environment.backend.misbehave(*[failing(503)] * 4)
    environment.send(request(), correlation_id="trace-ok")
    with environment.worker(ENABLE_METRICS="true") as worker:
        worker.wait_for("message.deleted", correlation_id="trace-ok")
        put_broken_site(environment, "job-2")
        environment.send(request("job-2"), correlation_id="trace-bad")
        environment.send("{", correlation_id="trace-none")
        worker.wait_until(lambda: environment.dead_letters() == 2, "dead letters")
        environment.backend.misbehave_always(failing(503))
        environment.send(quote(), correlation_id="trace-pending")
        worker.wait_for("delivery.postponed", correlation_id="trace-pending")
    log = worker.lines

    one_request = saved_query("one-request").replace("CORRELATION-ID", "trace-bad")
    messages = [row["message"] for row in run(one_request, log)]
    assert messages[:3] == ["message.received", "job.claimed", "job.failed"]
    assert "message.released" in messages
    failed = run(one_request, log)[2]
    assert (failed["error_code"], failed["job_id"]) == ("geometry_invalid", "job-2")

    by_code = run(saved_query("failures-by-code"), log)
    assert {(row["error_code"], row["message"]) for row in by_code} == {
        ("geometry_invalid", "job.failed"),
        ("message_not_json", "message.invalid"),
    }

    slowest = run(saved_query("slowest-jobs"), log)
    assert {row["job_id"] for row in slowest} >= {"job-1"}
    durations = [row["duration_s"] for row in slowest]
    assert durations == sorted(durations, key=float, reverse=True)  # type: ignore[arg-type]

    (pending,) = run(saved_query("deliveries-pending"), log)
    assert str(pending["job_id"]).startswith("NRF-000001")
    assert pending["code"] == "backend_unavailable"

    (versions,) = run(saved_query("jobs-by-data-version"), log)
    assert versions["jobs"] == 2
    assert versions["catchments"] == versions["coefficients"] == 1

    assert worker.events("message.stranded") == [], "a failed job belongs into the DLQ"
    made = {(one.name, *sorted(one.dimensions.values())): one.value for one in figures(log)}
    assert made["Jobs", "impact-assessment", "succeeded"] == 1
    assert made["Jobs", "failed", "impact-assessment"] == 1
    assert made["Jobs", "invalid", "unreadable"] == 1
    assert made["JobDuration", "impact-assessment"] > 0
    assert made["QueueLatency", "impact-assessment"] >= 0
    assert made["Deliveries", "backend.job_result", "delivered"] == 1
    assert made["DeliveryFailures", "backend_unavailable"] == 1
    assert made["DeliveriesPendingAge",] >= 0
    assert made["JobsStranded",] == 0


def test_every_field_of_a_saved_query_is_one_that_its_events_have() -> None:
    events = logged_events()
    emitted = STANDARD | {name for event in events.values() for name in event.fields}
    queries = sorted(QUERIES.glob("*.insights"))
    assert len(queries) >= 5
    for file in queries:
        text = file.read_text(encoding="utf-8")
        assert {name.partition(".")[0] for name in named_fields(text)} <= emitted, file.name
        for name in re.findall(r'"([a-z_]+\.[a-z_]+)"', text):
            assert name in events, file.name


@pytest.fixture
def aws_proxy(environment: Environment) -> Iterator[AwsProxy]:
    with AwsProxy(environment.aws) as proxy:
        yield proxy


def test_planted_secrets_are_in_no_line_whatever_becomes_of_the_job(
    environment: Environment, aws_proxy: AwsProxy
) -> None:
    planted = {
        "password": "planted-database-password",
        "aws": "planted/aws+secret+access+key+0123456789",
        "session": "planted-session-token-" + "Ab9" * 40,
        "email": "planted.builder@homes.example",
        "name": "Planted Mill Lane",
        "dsn": "postgresql://worker:planted-in-the-error@db/nrf",
    }
    user, host = environment.database_url.removeprefix("postgresql://").split("@", 1)
    variables = {
        **aws_proxy.variables(environment.queue),
        "DATABASE_URL": f"postgresql://{user.partition(':')[0]}:{planted['password']}@{host}",
        "AWS_SECRET_ACCESS_KEY": planted["aws"],
        "AWS_SESSION_TOKEN": planted["session"],
        "ENABLE_METRICS": "true",
        "LOG_LEVEL": "debug",
    }
    personal = {"developer_email": planted["email"], "development_name": planted["name"]}
    put_site(environment)
    environment.send(request(**personal), correlation_id="trace-ok")
    with environment.worker(**variables) as worker:
        worker.wait_for("message.deleted", correlation_id="trace-ok")

        # A row that PostgreSQL refuses is quoted in its error, with the payload in it.
        with psycopg.connect(environment.database_url) as connection:
            connection.execute("ALTER TABLE jobs.job ADD CHECK (key <> 'job-2') NOT VALID")
        environment.send(request("job-2", **personal), correlation_id="trace-row")
        crashed = worker.wait_for("message.crashed", correlation_id="trace-row")
        assert "CheckViolation" in str(crashed["error.type"])
        assert "Failing row contains [redacted]" in str(crashed["error.stack_trace"])

        # A job that crashes with an error that says too much, until it is given up.
        with psycopg.connect(environment.database_url) as connection:
            connection.execute(_TELLS_TOO_MUCH.replace("DSN", planted["dsn"]).encode())
        environment.send(quote("NRF-000002", email=planted["email"]), correlation_id="trace-crash")
        worker.wait_for("job.crashed", correlation_id="trace-crash")
        worker.wait_for("job.failed", correlation_id="trace-crash")

        # What a producer writes can neither start a line nor pass for another's id.
        environment.send('{"a": "planted-body"}', correlation_id='planted\r\n{"message": "x"}')
        forged = worker.wait_for("correlation.replaced")
        environment.send(json.dumps(request("a\r\nb", **personal)), correlation_id="trace-forged")
        worker.wait_for("message.invalid", correlation_id="trace-forged")
        refused = worker.wait_for("message.invalid", error_code="message_unrecognised")

    assert forged["message_id"] == refused["message_id"]
    assert worker.events("not.json") == []
    written = json.dumps(worker.lines, ensure_ascii=False)
    assert aws_proxy.receipts
    secrets = [*planted.values(), *aws_proxy.receipts, "planted-in-the-error", "planted-body"]
    for secret in [*secrets, variables["DATABASE_URL"], "455000", "262000"]:
        assert secret not in written
    variables_of_all = environment.variables(**variables)
    assert variables_of_all["BACKEND_API_KEY"] not in written
    assert variables_of_all["GOVUK_NOTIFY_API_KEY"] not in written
    detail = environment.value("SELECT string_agg(error_detail, ' ') FROM jobs.assignment")
    assert "planted" not in str(detail)


# Raised by the database when the result is stored.
_TELLS_TOO_MUCH = """
CREATE FUNCTION jobs.tell_too_much() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'cannot reach DSN for planted.builder@homes.example at [455000.5, 262000.5] %',
        'POLYGON((455000 262000, 455100 262000, 455000 262000)) x-api-key: planted-in-the-error';
END $$;
CREATE TRIGGER tell_too_much BEFORE INSERT ON jobs.result
    FOR EACH ROW EXECUTE FUNCTION jobs.tell_too_much();
"""
