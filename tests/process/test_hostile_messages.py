"""Messages made to exhaust the worker, to be logged, or to write log lines of their own."""

from __future__ import annotations

import json

import pytest
from psycopg.conninfo import make_conninfo

from tests.fakes.environment import Environment
from tests.fakes.submissions import quote, request

MARK = "Chaffinch-Close-17"
SCHEDULED = {
    "jobType": "water.licence-updates",
    "scheduledTime": "2026-06-15T07:15:00Z",
    "runDate": "2026-06-15",
}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (json.dumps(request(development_name=MARK * 3_000)), "message_too_large"),
        (f'{{"reference": "{MARK}", "a": ' + "[" * 5_000 + "]" * 5_000 + "}", "message_too_deep"),
        (json.dumps({"jobType": "unheard-of", "jobId": "1", "name": MARK}), "job_type_unknown"),
        (json.dumps(request(development_name=MARK, dwelling_type=[MARK])), "payload_invalid"),
        (f'{{"job_id": "{MARK}"', "message_not_json"),
        (json.dumps({**SCHEDULED, f"{MARK}\n": 1}), "payload_invalid"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
)
def test_a_refused_body_goes_to_the_dlq_and_is_not_logged(
    environment: Environment, body: str, code: str
) -> None:
    environment.send(body)
    with environment.worker(SQS_MAX_BODY_BYTES="30000", LOG_LEVEL="debug") as worker:
        refused = worker.wait_for("message.invalid")
        worker.wait_until(lambda: environment.dead_letters() == 1, "dead letter")
        environment.send(quote())
        worker.wait_for("message.deleted")

    assert refused["error_code"] == code
    assert not any(MARK in json.dumps(line) for line in worker.lines)
    assert environment.backend.quotes["NRF-000001"].changes == 1


def test_an_id_with_line_breaks_starts_no_line_of_its_own(environment: Environment) -> None:
    forged = 'trace\r\n{"message": "job.succeeded", "job_id": "forged"}'
    environment.send(quote(traceId=forged))
    environment.send(request("job\n1"), correlation_id=forged)
    with environment.worker() as worker:
        worker.wait_for("message.deleted")
        worker.wait_for("message.invalid")

    assert worker.events("not.json") == []
    assert worker.events("job.succeeded", job_id="forged") == []
    assert worker.events("correlation.replaced")
    (patched,) = environment.backend.received
    assert "\n" not in patched.headers["x-cdp-request-id"]
    assert "forged" not in patched.headers["x-cdp-request-id"]


def test_no_line_holds_a_key_a_password_or_an_address(environment: Environment) -> None:
    environment.send(request())
    there = make_conninfo(environment.database_url, password="Wren-4711")
    with environment.worker(LOG_LEVEL="debug", DATABASE_URL=there) as worker:
        worker.wait_for("job.retried")

    text = "\n".join(json.dumps(line) for line in worker.lines)
    for secret in ("developer@example.com", "Wren-4711", environment.database_url):
        assert secret not in text
    for name in ("BACKEND_API_KEY", "GOVUK_NOTIFY_API_KEY", "AWS_SECRET_ACCESS_KEY"):
        value = environment.variables()[name]
        # A word such as ``test`` would be found everywhere.
        assert len(value) < 6 or value not in text, name
