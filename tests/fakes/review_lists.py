"""Lists of professionals in a test's database, what people do to them, and runs of the jobs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import LiteralString

import psycopg
from pydantic import SecretStr

from worker.clients.notify import NotifyClient
from worker.demo.notify import API_KEY
from worker.lists.batch import BatchReport, run_batch
from worker.lists.letters import Letters
from worker.lists.milestones import Milestone
from worker.lists.review import ReviewReport, ReviewRun
from worker.lists.sender import Mailer, Sender
from worker.settings import NotifySettings, RuntimeSettings

TEMPLATES: Mapping[Milestone, str] = {
    one: str(uuid.UUID(int=100 + number)) for number, one in enumerate(Milestone)
}
MILESTONE_OF = {template: one for one, template in TEMPLATES.items()}
LETTERS = Letters(templates=TEMPLATES, service_domain="lists.example.gov.uk")

START = date(2026, 6, 1)


def day(text: str) -> date:
    """``05-04`` is the fourth of May 2026."""
    return date.fromisoformat(f"2026-{text}" if len(text) == 5 else text)


def notify_client(url: str, *, allowed_domains: tuple[str, ...] = ()) -> NotifyClient:
    return NotifyClient(
        NotifySettings(
            govuk_notify_api_key=SecretStr(API_KEY),
            govuk_notify_base_url=url,
            govuk_notify_timeout_seconds=5,
            govuk_notify_allowed_domains=allowed_domains,
        ),
        RuntimeSettings(),
    )


@dataclass
class ReviewWorld:
    """The tables of the lists service, filled and looked at; ``pauses`` are those of the runs.

    ``shared``: a connection in autocommit to fill and look with, where that happens very often.
    """

    url: str
    mailer: Mailer | None = None
    pauses: list[float] = field(default_factory=list)
    settle_s: float = 0.0
    shared: psycopg.Connection | None = None

    def add_list(
        self,
        *,
        start: date | None = START,
        users: Sequence[str] = ("post1@example.com", "post2@example.com"),
        kind: str = "lawyers",
        country: str = "France",
        data: Mapping[str, object] | None = None,
    ) -> int:
        list_id = self._insert(
            'INSERT INTO "List" (reference, type, "countryId", "jsonData",'
            ' "nextAnnualReviewStartDate") VALUES (%s, %s, %s, %s::jsonb, %s) RETURNING id',
            uuid.uuid4().hex,
            kind,
            self._country(country),
            json.dumps(data or {}),
            start,
        )
        for email in users:
            user = self._insert(
                'INSERT INTO "User" (email) VALUES (%s) ON CONFLICT (email)'
                " DO UPDATE SET email = excluded.email RETURNING id",
                email,
            )
            self.run('INSERT INTO "_ListToUser" VALUES (%s, %s)', list_id, user)
        return list_id

    def add_item(
        self,
        list_id: int,
        name: str = "p1",
        *,
        published: Sequence[str] = ("2025-03-01T09:00:00",),
        is_published: bool = True,
        status: str = "PUBLISHED",
        email: str | None = "",
        **flags: bool,
    ) -> int:
        address = f"{name}@example.com" if email == "" else email
        item = self._insert(
            'INSERT INTO "ListItem" (reference, "listId", type, "jsonData", "isPublished",'
            ' "isBlocked", "isAnnualReview", status)'
            " VALUES (%s, %s, 'lawyers', %s::jsonb, %s, %s, %s, %s::\"Status\") RETURNING id",
            f"{name}-{uuid.uuid4().hex[:6]}",
            list_id,
            json.dumps({"contactName": name.title(), "emailAddress": address}),
            is_published,
            flags.get("is_blocked", False),
            flags.get("in_review", False),
            status,
        )
        for moment in published:
            self.event(item, "PUBLISHED", moment)
        return item

    def event(
        self, item: int, kind: str, moment: str, data: Mapping[str, object] | None = None
    ) -> None:
        self.run(
            'INSERT INTO "Event" ("listItemId", time, type, "jsonData")'
            ' VALUES (%s, %s::timestamp, %s::"ListItemEvent", %s::jsonb)',
            item,
            moment,
            kind,
            json.dumps(data or {}),
        )

    def answer(self, item: int, moment: str) -> None:
        """The provider confirms its entry on the web page."""
        self.run("UPDATE \"ListItem\" SET status = 'CHECK_ANNUAL_REVIEW' WHERE id = %s", item)
        self.event(item, "CHECK_ANNUAL_REVIEW", moment)

    def take_off(self, item: int, moment: str) -> None:
        """Embassy staff take the entry off the list."""
        self.run(
            'UPDATE "ListItem" SET status = \'UNPUBLISHED\', "isPublished" = false WHERE id = %s',
            item,
        )
        self.event(item, "UNPUBLISHED", moment)

    def batch(self, on: date, *, only: Collection[int] | None = None) -> BatchReport:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return run_batch(
                connection,
                today=on,
                at=datetime.combine(on, time(10, 50), UTC),
                only=only,
                checkpoint=lambda: None,
            )

    def worker(
        self,
        on: date,
        *,
        only: Collection[int] | None = None,
        mailer: Mailer | None = None,
        checkpoint: Callable[[], None] = lambda: None,
    ) -> ReviewReport:
        used = mailer or self.mailer
        assert used is not None
        at = datetime.combine(on, time(11, 0), UTC)
        with psycopg.connect(self.url, autocommit=True) as connection:
            sender = Sender(
                used,
                today=on,
                at=at,
                settle_s=self.settle_s,
                pause=self.pauses.append,
                checkpoint=checkpoint,
            )
            run = ReviewRun(connection, LETTERS, sender, today=on, at=at, checkpoint=checkpoint)
            return run.perform(only, keep_days=90)

    def item(self, item: int) -> tuple[str, bool, bool]:
        """(status, is published, is in review)."""
        row = self.rows(
            'SELECT status::text, "isPublished", "isAnnualReview" FROM "ListItem" WHERE id = %s',
            item,
        )
        return row[0]  # type: ignore[return-value]

    def events(self, item: int, kind: str) -> list[tuple[object, ...]]:
        """(e-mail type, JSON) of the item's events of one kind, oldest first."""
        return self.rows(
            'SELECT "annualReviewEmailType"::text, "jsonData" FROM "Event"'
            ' WHERE "listItemId" = %s AND type = %s::"ListItemEvent" ORDER BY id',
            item,
            kind,
        )

    def audits(self, list_id: int) -> list[str]:
        """Names of the list's audits, oldest first: an e-mail's type or the event's name."""
        rows = self.rows(
            'SELECT coalesce("annualReviewEmailType"::text, "jsonData" ->> \'emailType\','
            ' "jsonData" ->> \'eventName\') FROM "Audit"'
            " WHERE (\"jsonData\" ->> 'itemId')::int = %s ORDER BY id",
            list_id,
        )
        return [str(name) for (name,) in rows]

    def plan(self, list_id: int) -> dict[str, object] | None:
        return self.value(  # type: ignore[return-value]
            'SELECT "jsonData" -> \'currentAnnualReview\' FROM "List" WHERE id = %s', list_id
        )

    def outbox(self) -> list[tuple[object, ...]]:
        """(milestone, recipient, state, attempts) of every e-mail, in order."""
        return self.rows(
            "SELECT milestone, recipient, state, attempts FROM annual_review_outbox ORDER BY number"
        )

    def connection(self) -> psycopg.Connection:
        connection = psycopg.connect(self.url)
        connection.execute("SET search_path TO lists, public")
        return connection

    @contextmanager
    def _any_connection(self) -> Iterator[psycopg.Connection]:
        if self.shared is not None:
            yield self.shared
            return
        with self.connection() as connection:
            yield connection

    def run(self, query: LiteralString, *parameters: object) -> None:
        with self._any_connection() as connection:
            connection.execute(query, parameters)

    def rows(self, query: LiteralString, *parameters: object) -> list[tuple[object, ...]]:
        with self._any_connection() as connection:
            return connection.execute(query, parameters).fetchall()

    def value(self, query: LiteralString, *parameters: object) -> object:
        (row,) = self.rows(query, *parameters)
        return row[0]

    def _country(self, name: str) -> int:
        return self._insert(
            'INSERT INTO "Country" (name) VALUES (%s) ON CONFLICT (name)'
            " DO UPDATE SET name = excluded.name RETURNING id",
            name,
        )

    def _insert(self, query: LiteralString, *parameters: object) -> int:
        with self._any_connection() as connection:
            row = connection.execute(query, parameters).fetchone()
        assert row is not None
        return int(row[0])
