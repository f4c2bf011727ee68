"""A scheduled run is known by its time, and its date is the one in the message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.messages import message
from worker import logs
from worker.errors import MessageError, TransientError
from worker.jobs.context import Interruption, JobContext, StopReason
from worker.jobs.notices import Notices
from worker.jobs.registry import Job, Registry
from worker.jobs.scheduled import ScheduledRequest, ScheduledResult, ScheduledType, Summaries
from worker.jobs.stored import restored, stored_body
from worker.ledger.models import JobStatus, StoredJob
from worker.queue.envelope import open_envelope
from worker.reference.versions import ReferenceVersions
from worker.settings import NotifySettings, RuntimeSettings

TIME = "2026-11-26T08:15:00Z"
BODY = {"jobType": "water.time-limited", "scheduledTime": TIME, "runDate": TIME}


class Ran(ScheduledResult):
    """What the job of these tests was asked for."""

    run_date: date
    run_id: UUID


def perform(request: ScheduledRequest, _context: JobContext) -> Ran:
    return Ran(run_date=request.run_date, run_id=request.run)


KIND = ScheduledType(
    "water.time-limited",
    ScheduledRequest,
    perform,
    Notices(
        NotifySettings(
            govuk_notify_template_job_failed="failed", govuk_notify_support_email="us@example.com"
        )
    ),
    Summaries("done", "not done"),
)


def job(**changes: object) -> Job:
    return KIND.accept(open_envelope(message({**BODY, **changes}), max_body_bytes=10_000))


def ran(one: Job) -> Mapping[str, object]:
    return one.run(JobContext(one.key, ReferenceVersions({}), Interruption())).result


def stored(one: Job) -> StoredJob:
    return StoredJob(1, one.key, one.type, JobStatus.FAILED, "trace", one.payload)


def test_a_schedules_time_stands_for_its_date() -> None:
    assert ran(job())["runDate"] == "2026-11-26"
    assert job().key == "water.time-limited:2026-11-26T08:15:00Z"


@pytest.mark.parametrize(
    ("run_date", "expected"),
    [
        ("2026-06-15", "2026-06-15"),
        ("2026-06-15T20:15:00Z", "2026-06-15"),
        # In summer London is an hour ahead, so the day begins at 23:00 UTC.
        ("2026-06-15T23:00:00Z", "2026-06-16"),
        ("2026-06-15T22:59:59Z", "2026-06-15"),
        ("2026-01-15T23:59:59Z", "2026-01-15"),
        ("2026-06-16T00:30:00+02:00", "2026-06-15"),
        # The hours around the change of the clocks.
        ("2026-03-28T23:30:00Z", "2026-03-28"),
        ("2026-03-29T23:30:00Z", "2026-03-30"),
        ("2026-10-24T23:30:00Z", "2026-10-25"),
        ("2026-10-25T23:30:00Z", "2026-10-25"),
    ],
)
def test_the_date_is_that_of_london(run_date: str, expected: str) -> None:
    assert ran(job(runDate=run_date))["runDate"] == expected


@pytest.mark.parametrize(
    "same", ["2026-11-26T08:15:00Z", "2026-11-26T08:15:00.000Z", "2026-11-26T09:15:00+01:00"]
)
def test_copies_of_a_message_are_the_same_run(same: str) -> None:
    first, copy = job(), job(scheduledTime=same, traceId="another", runId=str(UUID(int=7)))

    assert (copy.key, copy.payload_hash) == (first.key, first.payload_hash)


def test_another_time_is_another_run_and_another_date_contradicts_it() -> None:
    assert job(scheduledTime="2026-11-26T08:16:00Z").key != job().key
    assert job(runDate="2026-11-25").key == job().key
    assert job(runDate="2026-11-25").payload_hash != job().payload_hash


def test_a_run_has_one_id_at_every_attempt_unless_the_message_gives_one() -> None:
    assert ran(job())["runId"] == ran(job())["runId"]
    assert ran(job(runId=str(UUID(int=7))))["runId"] == str(UUID(int=7))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"scheduledTime": None}, "scheduledTime: is not an ISO 8601 date and time"),
        ({"scheduledTime": "2026-11-26T08:15:00"}, "scheduledTime: has no time zone"),
        ({"scheduledTime": "2026-11-26"}, "scheduledTime: has no time zone"),
        ({"scheduledTime": 1_790_000_000}, "scheduledTime: is not"),
        ({"runDate": "today"}, "runDate: is not"),
        ({"runDate": "20261126"}, "runDate: has no time zone"),
        ({"runDate": "2026-02-30"}, "runDate"),
        ({"runDate": "0001-01-01"}, "runDate: is not in the years"),
        ({"scheduledTime": "0001-01-01T00:00:00+14:00"}, "scheduledTime: is not in the years"),
        ({"scheduledTime": "9999-12-31T23:59:59-12:00"}, "scheduledTime: is not in the years"),
        ({"runDate": "2026-11-27"}, "later than the scheduled time"),
        ({"runId": "1"}, "runId"),
        # A name that nobody reads would do more, or less, than its writer meant.
        ({"listids": [1]}, "listids: Extra inputs"),
        ({"run_date": "2026-11-26"}, "run_date"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(MessageError) as raised:
        job(**wrong)

    assert raised.value.code == "payload_invalid"
    assert words in raised.value.sentence


@pytest.mark.parametrize("field", ["scheduledTime", "runDate"])
def test_no_date_is_made_up(field: str) -> None:
    body = {name: value for name, value in BODY.items() if name != field}

    with pytest.raises(MessageError, match=f"{field}: is required"):
        KIND.accept(open_envelope(message(body), max_body_bytes=10_000))


@given(
    value=st.text()
    | st.integers()
    | st.none()
    | st.lists(st.text(), max_size=2)
    | st.datetimes(timezones=st.timezones()).map(datetime.isoformat)
    | st.dates().map(date.isoformat),
    field=st.sampled_from(["scheduledTime", "runDate", "runId"]),
)
def test_whatever_stands_in_a_field_is_read_or_refused(value: object, field: str) -> None:
    with suppress(MessageError):
        ran(job(**{field: value}))


def test_a_run_can_be_asked_for_again_from_the_ledger() -> None:
    asked = job(runId=str(UUID(int=7)), runDate="2026-11-20")

    again = restored(stored(asked), Registry((KIND,)), max_body_bytes=10_000)

    assert again is not None
    assert (again.key, again.payload_hash, again.payload) == (
        asked.key,
        asked.payload_hash,
        asked.payload,
    )
    assert stored_body(stored(asked)) is not None


@pytest.mark.usefixtures("own_logging")
@pytest.mark.parametrize(
    ("reason", "events"),
    [
        (None, ["run.failed"]),
        (StopReason.TIMED_OUT, ["run.failed"]),
        (StopReason.STOP_REQUESTED, []),
        (StopReason.HELD_TOO_LONG, []),
        (StopReason.LEASE_LOST, []),
    ],
)
def test_a_run_that_fails_by_itself_or_takes_too_long_says_so(
    capsys: pytest.CaptureFixture[str], reason: StopReason | None, events: list[str]
) -> None:
    logs.configure(RuntimeSettings(log_format="json"))
    interruption = Interruption()

    def fail(_request: ScheduledRequest, _context: JobContext) -> Ran:
        if reason is not None:
            interruption.interrupt(reason)
        raise TransientError("query_cancelled", "A query was cancelled.")

    failing = replace(KIND, perform=fail).accept(
        open_envelope(message(BODY), max_body_bytes=10_000)
    )
    with pytest.raises(TransientError):
        failing.run(JobContext(failing.key, ReferenceVersions({}), interruption))

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["message"] for line in lines] == events
    assert [line["summary"] for line in lines] == ["not done" for _ in events]
    assert [line["error_code"] for line in lines] == ["query_cancelled" for _ in events]


def test_support_is_told_which_run_has_failed() -> None:
    (notice,) = job().failed(MessageError("code", "What is wrong."))

    assert "water.time-limited for 2026-11-26" in str(notice.payload)
    assert "us@example.com" in str(notice.payload)
