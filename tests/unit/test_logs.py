"""Every line is one JSON object, carries the id of its message, and gives nothing away."""

from __future__ import annotations

import contextvars
import io
import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import Literal

import pytest
from _pytest.logging import LogCaptureHandler

from worker import logs
from worker.settings import RuntimeSettings

Lines = Callable[[], list[dict[str, object]]]


class Written(io.StringIO):
    """A standard stream that gives each line once."""

    def take(self) -> str:
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return text


@pytest.fixture
def lines(own_logging: None, monkeypatch: pytest.MonkeyPatch) -> Lines:
    """Configures logging, and gives what has been written since the last call."""
    written = Written()
    monkeypatch.setattr(sys, "stdout", written)
    logs.configure(RuntimeSettings(log_format="json", service_version="1.2.3"))
    return lambda: [json.loads(line) for line in written.take().splitlines()]


def test_an_event_is_one_line_with_the_fields_of_the_platform(lines: Lines) -> None:
    logs.logger("test.event").info("job.claimed", job_id="job-0001", attempt=2)
    (line,) = lines()
    assert str(line.pop("@timestamp")).endswith("Z")
    assert line == {
        "log.level": "info",
        "message": "job.claimed",
        "log.logger": "test.event",
        "ecs.version": "8.11.0",
        "event.action": "job.claimed",
        "service.name": "nrf-impact-assessment-worker",
        "service.version": "1.2.3",
        "job_id": "job-0001",
        "attempt": 2,
    }


def test_a_failure_has_the_names_of_the_schema_and_the_short_ones(lines: Lines) -> None:
    logs.logger("test.failure").error(
        "job.failed",
        error_code="geometry_invalid",
        error_sentence="The boundary crosses itself.",
        error_detail="ring 0",
        duration_s=1.5,
    )
    (line,) = lines()
    assert line["error.code"] == line["error_code"] == "geometry_invalid"
    assert line["error.message"] == line["error_sentence"] == "The boundary crosses itself."
    assert line["event.outcome"] == "failure"
    assert line["event.duration"] == 1_500_000_000


def test_an_exception_is_its_type_its_text_and_its_trace(lines: Lines) -> None:
    for error in (KeyError("nn"), json.JSONDecodeError("Expecting value", "", 0)):
        try:
            raise error
        except (KeyError, ValueError):
            logs.logger("test.exception").exception("job.crashed")
            logging.getLogger("library").exception("failed")
    ours, theirs, decoding, _ = lines()
    assert (ours["error.type"], ours["error.message"]) == ("KeyError", "'nn'")
    assert str(ours["error.stack_trace"]).startswith("Traceback")
    assert ours["event.outcome"] == "failure"
    assert (theirs["error.type"], theirs["error.message"]) == ("KeyError", "'nn'")
    assert "event.action" not in theirs, "a library's sentence is no event"
    assert decoding["error.type"] == "json.decoder.JSONDecodeError"


@pytest.mark.parametrize(
    ("level", "event", "fields", "outcome"),
    [
        ("info", "job.succeeded", {}, "success"),
        ("info", "delivery.made", {}, "success"),
        ("warning", "delivery.postponed", {"error_code": "backend_unavailable"}, "failure"),
        ("critical", "worker.not_started", {"problem": "A is required"}, "failure"),
        ("info", "dependency.up", {"error_code": "database_unavailable"}, None),
        ("info", "job.claimed", {}, None),
        ("warning", "dlq.missing", {}, None),
    ],
)
def test_an_outcome_is_told_where_there_is_one(
    lines: Lines, level: str, event: str, fields: dict[str, str], outcome: str | None
) -> None:
    getattr(logs.logger("test.outcome"), level)(event, **fields)
    (line,) = lines()
    assert line.get("event.outcome") == outcome


def test_why_something_ends_is_its_reason(lines: Lines) -> None:
    logs.logger("test.reason").info("worker.stopping", reason="signal")
    assert lines()[0]["event.reason"] == "signal"


def test_every_line_of_a_job_says_which_and_none_after_it(lines: Lines) -> None:
    with logs.correlated("one"):
        logs.about(job_id="job-1", job_type="impact-assessment")
        logs.about(attempt=2)
        logs.logger("test.subject").info("job.claimed", attempt=3)
        logging.getLogger("library").warning("slow")
        with logs.correlated("one"):
            logs.logger("test.subject").info("delivery.made", job_id="job-0")
        with logs.correlated("two"):
            logs.logger("test.subject").info("job.reaped")
        logs.logger("test.subject").info("message.deleted")
    logs.logger("test.subject").info("queue.reachable")
    claimed, library, made, reaped, deleted, after = lines()
    assert (claimed["job_id"], claimed["attempt"]) == ("job-1", 3), "what the line says counts"
    assert (library["job_id"], library["job_type"]) == ("job-1", "impact-assessment")
    assert (made["job_id"], made["job_type"], made["attempt"]) == ("job-0", "impact-assessment", 2)
    assert (deleted["job_id"], deleted["attempt"]) == ("job-1", 2)
    for other in (reaped, after):
        assert not {"job_id", "job_type", "attempt"} & set(other)


@pytest.mark.parametrize(
    "text",
    ["a\r\nlevel=critical", "a\u2028b", "a\x85b", "\x1b[31mred", "é", "half \ud800"],
    # A test's name has to be printable, whatever its value is.
    ids=["crlf", "line-separator", "next-line", "escape", "accent", "surrogate"],
)
def test_no_value_can_start_a_line_of_its_own(lines: Lines, text: str) -> None:
    # pytest's own capture would carry half a character into its report, which xdist cannot send.
    root = logging.getLogger()
    root.handlers[:] = [one for one in root.handlers if not isinstance(one, LogCaptureHandler)]
    logs.logger("test.injection").warning("message.invalid", job_id=text)
    logging.getLogger("library").warning("said %s", text)
    event, record = lines()
    written = text.removesuffix("\ud800")
    assert event["job_id"] == written
    assert record["message"] == f"said {written}"


def test_a_number_that_json_does_not_know_is_written_as_text(lines: Lines) -> None:
    logs.logger("test.numbers").info("a.b", one=float("nan"), other=[float("inf")])
    (line,) = lines()
    assert (line["one"], line["other"]) == ("nan", ["inf"])


def test_the_correlation_id_is_on_every_line_of_a_message_and_on_none_after_it(
    lines: Lines,
) -> None:
    for number in ("first", "second"):
        with logs.correlated(number):
            logs.logger("test.correlation").info("job.claimed")
            logging.getLogger("botocore.retries").warning("a library's line")
        assert logs.correlation_id() is None
        for line in lines():
            assert line["correlation_id"] == line["trace.id"] == number
    logs.logger("test.correlation").info("queue.polled")
    logging.getLogger("botocore.retries").warning("between two messages")
    for line in lines():
        assert "correlation_id" not in line
        assert "trace.id" not in line


def test_an_adopted_id_ends_with_its_message(lines: Lines) -> None:
    with logs.correlated("provisional"):
        logs.adopt_correlation_id("real")
        logs.logger("test.adopted").info("message.opened")
    assert logs.correlation_id() is None
    assert lines()[0]["correlation_id"] == "real"


def test_the_id_is_reset_when_handling_fails() -> None:
    with pytest.raises(ValueError, match="broken"), logs.correlated("one"):
        raise ValueError("broken")
    assert logs.correlation_id() is None


def test_a_thread_that_is_given_the_context_logs_under_its_id(lines: Lines) -> None:
    def work() -> None:
        logging.getLogger("library").warning("from the thread")

    with logs.correlated("one"):
        thread = threading.Thread(target=contextvars.copy_context().run, args=(work,))
        thread.start()
        thread.join()
    assert lines()[0]["correlation_id"] == "one"


SECRETS = [
    ("postgresql://worker:hunter2@db:5432/nrf", "hunter2"),
    ("postgresql://worker:hun@ter2@db/nrf", "ter2"),
    ("postgresql://worker:hun/ter2@db/nrf", "ter2"),
    ("postgresql://:hunter2@db/nrf", "hunter2"),
    ("proxy http://hunter2@proxy:3128 refused", "hunter2"),
    ("host=db user=worker password=hunter2 dbname=nrf", "hunter2"),
    ("host=db password='hunter 2' dbname=nrf", "2'"),
    (r"host=db password='it\'s-hunter2 x' dbname=nrf", "hunter2"),
    ("host=db password='it''s hunter2' dbname=nrf", "hunter2"),
    (r'{"password": "ab\" hunter2"}', "hunter2"),
    ("password='cut of hunter2", "hunter2"),
    ("{'password': 'hunter2'}", "hunter2"),
    ('{"x-api-key": "hunter2"}', "hunter2"),
    ("BACKEND_API_KEY=hunter2", "hunter2"),
    ("aws_secret_access_key = hunter2", "hunter2"),
    ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
    ("Authorization: Basic aHVudGVyMg==", "aHVudGVyMg"),
    ("{'Authorization': 'Bearer abc.def'}", "abc.def"),
    ("sent bearer abc.def", "abc.def"),
    ("key AKIAIOSFODNN7EXAMPLE was refused", "AKIAIOSFODNN7EXAMPLE"),
    ("https://b.s3/k?X-Amz-Signature=abc123&X-Amz-Date=1", "abc123"),
    ("https://b.s3/k?X-Amz-Security-Token=abc123", "abc123"),
    (
        "worker-1ac6f7a5-0b5a-4d1e-9d0b-0f3a5f1c2d3e-9c8b7a6d-1e2f-4a3b-8c7d-6e5f4a3b2c1d refused",
        "6e5f4a3b2c1d",
    ),
    ("told builder.one+nrf@example.co.uk about it", "example.co.uk"),
    (f"The receipt handle {'abcde' * 37} has expired", "abcde"),
    (f"Value {'AQEB/x+9' * 20}== for parameter ReceiptHandle is invalid", "AQEB"),
    ('{"type": "Polygon", "coordinates": [[[455000.5, 262000.25], [1.0e5,2]]]}', "262000"),
    ("ring [ -0.127758, 51.507351, 0.0 ] crosses itself", "507351"),
    ("MULTIPOLYGON (((455000 262000, 455100 262000, 455000 262000)))", "455000"),
    ("POLYGON Z ((455000 262000 1, 455100 262000 1))", "455100"),
    ("null value\nDETAIL:  Failing row contains (1, Mill Lane, {a\nb}).\nCONTEXT: x", "Mill"),
    ('CONTEXT:  JSON data, line 1: {"development_name": "Mill Lane...', "Mill"),
    ("CONTEXT:  unnamed portal with parameters: $1 = 'it''s Mill Lane', $2 = '7'", "Mill"),
    ("a field [type=int_parsing, input_value='Mill Lane', input_type=str]", "Mill"),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS, ids=[text[:30] for text, _ in SECRETS])
def test_secrets_and_addresses_are_taken_out_whoever_writes_them(
    lines: Lines, text: str, secret: str
) -> None:
    log = logs.logger("test.redaction")
    log.warning("dependency.down", error_detail=text, nested={"list": [text]})
    logging.getLogger("library").error("failed: %s", text)
    try:
        raise RuntimeError(text)
    except RuntimeError:
        log.exception("job.failed")
        logging.getLogger("library").exception("failed")
    written = lines()
    assert len(written) == 4
    assert secret not in json.dumps(written)
    assert "RuntimeError" in str(written[2]["error.stack_trace"])
    assert "RuntimeError" in str(written[3]["error.stack_trace"])


@pytest.mark.parametrize(
    "field",
    ["password", "api_key", "x-api-key", "Authorization", "token", "receipt_handle", "set-cookie"],
)
def test_a_field_that_is_named_after_a_secret_is_masked(lines: Lines, field: str) -> None:
    logs.logger("test.fields").info("a.b", **{field: "hunter2"}, nested={field: ["hunter2"]})
    assert "hunter2" not in json.dumps(lines())


@pytest.mark.parametrize("field", ["body", "payload", "geometry", "personalisation"])
def test_bodies_and_geometries_are_never_written(lines: Lines, field: str) -> None:
    logs.logger("test.bodies").info("a.b", **{field: {"reference": "NRF-000001"}})
    assert "NRF-000001" not in json.dumps(lines())


def test_what_an_operator_needs_is_left_alone(lines: Lines) -> None:
    text = "GET https://backend.example:8443/quotes/NRF-000001 gave 503 after 30 s"
    logs.logger("test.plain").info("a.b", detail=text, job_key="NRF-000001-ab12", ok=True, n=None)
    (line,) = lines()
    assert line["detail"] == text
    assert (line["job_key"], line["ok"], line["n"]) == ("NRF-000001-ab12", True, None)


@pytest.mark.parametrize("text", ["a" * 100_000, "token" * 20_000, "x://a:" * 5_000, "a@" * 50_000])
def test_redaction_does_not_choke_on_long_texts(text: str) -> None:
    started = time.monotonic()
    logs.redact(text)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    "unfit", ["\x00", chr(0xD800), chr(0xDFFF)], ids=["nul", "first half", "second half"]
)
def test_what_postgresql_takes_in_no_text_is_removed(unfit: str) -> None:
    assert logs.redact(f"a{unfit}b \N{PILE OF POO} é") == "ab \N{PILE OF POO} é"


@pytest.mark.parametrize(
    "part", ["password='\\' ", "password='", 'token="\\\\" ', "secret=''", "'\\", "pwd" + " " * 50]
)
def test_a_text_made_to_be_slow_is_redacted_before_the_test_times_out(part: str) -> None:
    logs.redact("password='" + part * (300_000 // len(part)))


def test_what_comes_after_a_refused_row_is_kept() -> None:
    text = "DETAIL:  Failing row contains (1, {a).\nb}).\nCONTEXT: a trigger"
    assert logs.redact(text).endswith("CONTEXT: a trigger")


@pytest.mark.parametrize("chosen", ["auto", "json", "console"])
def test_a_terminal_gets_text_unless_ecs_or_the_settings_say_json(
    own_logging: None, monkeypatch: pytest.MonkeyPatch, chosen: Literal["auto", "json", "console"]
) -> None:
    class Terminal(Written):
        def isatty(self) -> bool:
            return True

    for metadata, for_people in (("", chosen != "json"), ("http://a", chosen == "console")):
        written = Terminal()
        monkeypatch.setattr(sys, "stdout", written)
        monkeypatch.setenv("ECS_CONTAINER_METADATA_URI_V4", metadata)
        logs.configure(RuntimeSettings(log_format=chosen))
        logging.getLogger("test.format").warning("said")
        assert written.take().startswith("{") != for_people


def test_libraries_speak_only_when_something_is_wrong(lines: Lines) -> None:
    for name in ("botocore", "urllib3.connectionpool", "httpx", "waitress"):
        logging.getLogger(name).info("a line for each request")
    assert lines() == []


def test_a_terminal_gets_text_with_the_same_redaction(
    own_logging: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Written()
    monkeypatch.setattr(sys, "stderr", written)
    logs.configure(RuntimeSettings(log_format="console", log_level="warning"), stream="stderr")
    logs.logger("test.console").info("not.written")
    logs.logger("test.console").warning("job.claimed", detail="postgresql://u:hunter2@db/nrf")
    text = written.take()
    assert "job.claimed" in text
    assert "not.written" not in text
    assert "hunter2" not in text
