"""What operators ask of schedules: what a job would do, and a run that was missed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import psycopg
import pytest

from tests.fakes.commands import run_command
from worker.clients.domains import DomainDatabase
from worker.demo.aws import AwsEmulator, QueuePair
from worker.demo.water_world import WaterWorld
from worker.jobs.preview import Preview, Previewable, PreviewDay
from worker.jobs.water_previews import preview_licence_updates, preview_time_limited
from worker.water import licence_updates, time_limited

FIRST = date(2026, 6, 15)


def previewed(url: str, days: Previewable, count: int) -> tuple[PreviewDay, ...]:
    return Preview(DomainDatabase("water", lambda: url), days).of(FIRST, count)


def limited(world: WaterWorld, reference: str, ends: date, **licence: object) -> None:
    one = world.licence(licence_ref=reference, **licence)
    world.version(one, date_created=datetime(2020, 1, 1))  # noqa: DTZ001 - a column without zone
    world.element(world.reference(world.charge_version(one)), ends)


def test_a_preview_says_what_each_days_run_would_add(domains_url: str) -> None:
    with psycopg.connect(domains_url) as connection:
        world = WaterWorld(connection)
        limited(world, "01/now", date(2026, 8, 3))
        limited(world, "02/next", date(2026, 8, 4))
        limited(world, "03/later", date(2026, 8, 6))
        limited(world, "04/expiring", date(2026, 8, 4), expired_date=date(2026, 6, 16))

    days = previewed(domains_url, preview_time_limited, 5)

    assert [day.run_date for day in days] == [FIRST + timedelta(days=n) for n in range(5)]
    assert [[line.subject for line in day.lines] for day in days] == [
        ["licence 01/now"],
        ["licence 02/next"],
        [],
        ["licence 03/later"],
        [],
    ]
    assert days[0].lines[0].action == "add to workflow"
    assert days[0].lines[0].reason == "an element ends 2026-08-03"


def test_a_preview_shows_what_is_held_back_and_why(domains_url: str) -> None:
    with psycopg.connect(domains_url) as connection:
        world = WaterWorld(connection)
        billed = world.licence(licence_ref="01/billed")
        world.version(billed)
        world.bill_run(world.charge_version(billed), "review")
        known = world.licence(licence_ref="02/known")
        world.workflow(known, world.version(known))
        world.version(world.licence(licence_ref="03/draft"), status="draft")
        world.version(world.licence(licence_ref="04/new"))

    first, second = previewed(domains_url, preview_licence_updates, 2)

    assert [(line.subject, line.action) for line in first.lines] == [
        ("licence 01/billed version 1.0", "nothing"),
        ("licence 04/new version 1.0", "add to workflow"),
    ]
    assert "bill run" in first.lines[0].reason
    assert second.lines == ()


@pytest.mark.parametrize(
    ("days", "add"),
    [
        (preview_licence_updates, licence_updates.add_to_workflow),
        (preview_time_limited, time_limited.add_to_workflow),
    ],
)
def test_a_preview_is_what_runs_on_those_days_then_do(
    domains_url: str, days: Previewable, add: type
) -> None:
    with psycopg.connect(domains_url) as connection:
        world = WaterWorld(connection)
        for number in range(12):
            limited(world, f"a/{number:02}", date(2026, 8, 1) + timedelta(days=number))
            licence = world.licence(licence_ref=f"b/{number:02}")
            world.version(licence, status="draft" if number % 4 == 3 else "current")
            if number % 3 == 0:
                charged = world.charge_version(licence)
                world.bill_run(charged, "ready" if number % 2 else "sent")

    foreseen = [
        sorted(line.subject.split()[1] for line in day.lines if line.action == "add to workflow")
        for day in previewed(domains_url, days, 8)
    ]

    with psycopg.connect(domains_url) as connection:
        assert WaterWorld(connection).workflows() == []
        done = [
            sorted(row.licence_ref for row in add(connection, FIRST + timedelta(days=number)))
            for number in range(8)
        ]
    assert foreseen == done
    assert any(foreseen)


def test_the_command_prints_a_day_in_a_row_and_writes_nothing(domains_url: str) -> None:
    with psycopg.connect(domains_url) as connection:
        limited(WaterWorld(connection), "28/39/28/1", date(2026, 8, 4))

    done = run_command(
        *("schedule", "preview", "water.time-limited", "--from", "2026-06-15", "--days", "3"),
        DATABASE_URL="postgresql://nobody@127.0.0.1:1/none",
        WATER_DATABASE_URL=domains_url,
    )

    assert (done.returncode, done.stderr) == (0, "")
    rows = [re.split(r"\s{2,}", line.strip()) for line in done.stdout.splitlines()[2:]]
    assert rows == [
        ["2026-06-15", "-", "nothing"],
        ["2026-06-16", "licence 28/39/28/1", "add to workflow", "an element ends 2026-08-04"],
        ["2026-06-17", "-", "nothing"],
        ["in all: 1 to do, 0 left out"],
    ]
    with psycopg.connect(domains_url) as connection:
        assert WaterWorld(connection).workflows() == []


def test_a_preview_that_tries_to_write_is_refused_by_the_server(domains_url: str) -> None:
    def deceitful(connection: psycopg.Connection, days: tuple[date, ...]) -> Iterator[PreviewDay]:
        time_limited.add_to_workflow(connection, days[0])
        yield PreviewDay(days[0])

    with psycopg.connect(domains_url) as connection:
        limited(WaterWorld(connection), "01/1", FIRST)

    with pytest.raises(Exception, match="read-only transaction"):
        previewed(domains_url, deceitful, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("preview", "tea.make", "--from", "2026-06-15"), 64, "JOB is one of"),
        (("preview", "water.time-limited", "--from", "June"), 64, "--from"),
        (("preview", "water.time-limited", "--from", "2026-06-15"), 69, "water_tables_missing"),
        (("send", "tea.make", "--at", "2025-06-15T08:15:00Z"), 64, "JOB is one of"),
        (("send", "water.time-limited", "--at", "2026-06-15"), 64, "--at"),
        (
            ("send", "water.time-limited", "--at", "2025-06-15T08:15:00Z", "--date", "2025-06-16"),
            65,
            "later than the scheduled time",
        ),
        (("send", "water.time-limited", "--at", "2126-06-15T08:15:00Z"), 64, "has not come yet"),
    ],
)
def test_what_a_command_cannot_do_is_said(
    database_url: str, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = run_command(
        "schedule", *arguments, DATABASE_URL=database_url, SQS_QUEUE_URL="http://127.0.0.1:1/q"
    )

    assert done.returncode == code
    assert words in done.stderr


def test_a_missed_run_is_asked_for_as_the_schedule_would_have(
    aws: AwsEmulator, queue: QueuePair
) -> None:
    done = run_command(
        *("schedule", "send", "water.licence-updates", "--at", "2025-06-15T23:15:00Z"),
        **aws.environment,
        SQS_QUEUE_URL=queue.url,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "job water.licence-updates:2025-06-15T23:15:00Z" in done.stdout
    (message,) = aws.sqs.receive_message(QueueUrl=queue.url)["Messages"]
    assert json.loads(message["Body"]) == {
        "jobType": "water.licence-updates",
        "scheduledTime": "2025-06-15T23:15:00+00:00",
        "runDate": "2025-06-16",
    }


def test_tables_of_domains_are_made_by_a_command_that_names_them(empty_database_url: str) -> None:
    refused = run_command("db", "migrate", "--with", "tea", DATABASE_URL=empty_database_url)
    done = run_command("db", "migrate", "--with", "water, lists", DATABASE_URL=empty_database_url)

    assert (refused.returncode, done.returncode) == (64, 0), done.stderr
    assert "--with takes water,lists" in refused.stderr
    with psycopg.connect(empty_database_url) as connection:
        made = connection.execute("SELECT to_regclass('water.licences'), to_regclass('jobs.job')")
        assert None not in (made.fetchone() or (None,))
