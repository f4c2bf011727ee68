"""A year of one list's annual review, lived through in seconds with the jobs' own code.

Runs are for the dates of the story, so that no clock is turned. E-mails go to the fake Notify over
HTTP; what changed is read from the events and audits that the runs have left.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import LiteralString

import psycopg
from pydantic import SecretStr
from rich import box
from rich.table import Table
from rich.text import Text

from worker.clients.notify import NotifyClient
from worker.demo.fake_service import Received, Reply
from worker.demo.notify import API_KEY, FakeNotify, error
from worker.demo.outcome import Expectation
from worker.lists import store
from worker.lists.batch import run_batch
from worker.lists.letters import Letters
from worker.lists.milestones import Milestone
from worker.lists.review import ReviewRun
from worker.lists.sender import Sender
from worker.settings import NotifySettings, RuntimeSettings

_START = date(2026, 6, 1)
_STAFF = ("post.one@example.gov.uk", "post.two@example.gov.uk")
# Name, and when the entry was last published.
_ENTRIES = {
    "Ann": "2025-03-01",
    "Ben": "2025-03-01",
    "Cem": "2025-03-01",
    "Dee": "2025-03-01",
    "Eli": "2026-04-20",
}
_NO_RUNS = frozenset({date(2026, 6, 15), date(2026, 6, 16)})
_TEMPLATES = {one: str(uuid.uuid5(uuid.NAMESPACE_URL, one)) for one in Milestone}
_MILESTONES = {template: one for one, template in _TEMPLATES.items()}
_CHANGES = {
    "ANNUAL_REVIEW_STARTED": "review starts",
    "ANNUAL_REVIEW_OVERDUE": "overdue",
    "UNPUBLISHED": "off the list",
    "startAnnualReview": "the review is planned",
    "endAnnualReview": "the review is over",
}


@dataclass(frozen=True, slots=True)
class Day:
    """A day on which something happened; ``mails`` by milestone, each with its recipients."""

    day: date
    happened: str
    mails: Mapping[Milestone, tuple[str, ...]]
    changes: tuple[str, ...]


def live_through(database_url: str) -> tuple[Day, ...]:
    """The eventful days; the database has the tables of ``lists``, and no list yet."""
    with (
        _Notify() as notify,
        psycopg.connect(database_url, autocommit=True) as connection,
    ):
        store.use_tables(connection)
        story = _Story(connection, notify)
        return tuple(one for one in story.days() if one.happened or one.mails or one.changes)


def year_table(days: tuple[Day, ...]) -> Table:
    """Date, what people did, who was mailed what, what changed."""
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"[bold]Lawyers in France: the review starts on {_START}[/bold]",
        title_justify="left",
    )
    for heading in ("Date", "What happened", "Who was mailed what", "What changed"):
        table.add_column(heading)
    for one in days:
        mails = [
            f"{milestone} {milestone.email_type}: {', '.join(names)}"
            for milestone, names in one.mails.items()
        ]
        table.add_row(
            str(one.day), Text(one.happened), Text("\n".join(mails)), Text("\n".join(one.changes))
        )
    return table


def expectations(days: tuple[Day, ...]) -> tuple[Expectation, ...]:
    """What the year has shown."""
    mails = Counter(
        (one.day.year, milestone, name)
        for one in days
        for milestone, names in one.mails.items()
        for name in names
    )
    changes = [change for one in days for change in one.changes]
    asked = {name for _, milestone, name in mails if milestone is Milestone.PROVIDER_STARTED}
    warned = {name for _, milestone, name in mails if milestone is Milestone.PROVIDER_ONE_DAY}
    return (
        Expectation(
            "In a year of an annual review each e-mail was sent once, whatever went wrong",
            set(mails.values()) == {1} and asked == {"Ann", "Ben", "Cem", "Dee"},
        ),
        Expectation(
            "Only the provider who never answered came off the list, with every warning",
            "off the list: Ben" in changes and warned == {"Ben"},
        ),
    )


class _Notify(FakeNotify):
    """Refuses e-mails to one address, if it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = ""

    def answer(self, request: Received) -> Reply:
        body = request.json()
        if self.refused and isinstance(body, dict) and body.get("email_address") == self.refused:
            return error(400, "BadRequestError", "Can't send to this recipient")
        return super().answer(request)


class _Story:
    def __init__(self, connection: psycopg.Connection, notify: _Notify) -> None:
        self._connection = connection
        self._notify = notify
        self._mailer = NotifyClient(
            NotifySettings(
                govuk_notify_api_key=SecretStr(API_KEY), govuk_notify_base_url=notify.url
            ),
            RuntimeSettings(),
        )
        self._items = _seed(connection)
        self._names = {item: name for name, item in self._items.items()}
        self._seen = {"Event": 0, "Audit": 0}
        self._changes()

    def days(self) -> Iterator[Day]:
        today = date(2026, 5, 3)
        while today <= date(2026, 7, 14):
            yield self._live(today)
            today += timedelta(days=1)
        # The next review opens when the year is over.
        for today in (date(2027, 5, 3), date(2027, 5, 4)):
            yield self._live(today)

    def _live(self, today: date) -> Day:
        acts: dict[date, tuple[str, Callable[[], None]]] = {
            date(2026, 6, 4): ("Ann confirms her entry", lambda: self._answer("Ann", today)),
            date(2026, 6, 10): ("staff take Cem off the list", lambda: self._take_off("Cem")),
            date(2026, 6, 20): ("Dee corrects her entry", lambda: self._answer("Dee", today)),
        }
        if today in _NO_RUNS:
            return Day(today, "no worker runs", {}, ())
        happened, act = acts.get(today, ("", lambda: None))
        act()
        self._notify.refused = ""
        if today == _START:
            happened, self._notify.refused = "Notify refuses Dee's e-mail", "dee@example.com"
        self._changes()
        seen = len(self._notify.sent)
        self._run(today)
        if len(self._notify.sent) > seen:
            # The schedule fires twice when there is something to be done twice.
            self._run(today)
        mails: dict[Milestone, tuple[str, ...]] = {}
        for email in self._notify.sent[seen:]:
            milestone = _MILESTONES[email.template_id]
            mails[milestone] = (*mails.get(milestone, ()), _name(email.to))
        return Day(today, happened, mails, self._changes())

    def _run(self, today: date) -> None:
        def carry_on() -> None:
            """Nobody stops the demo's runs."""

        at = datetime.combine(today, time(10), UTC)
        run_batch(self._connection, today=today, at=at, only=None, checkpoint=carry_on)
        sender = Sender(
            self._mailer,
            today=today,
            at=at,
            settle_s=0,
            pause=lambda _: None,
            checkpoint=carry_on,
        )
        letters = Letters(_TEMPLATES, "lists.example.gov.uk")
        run = ReviewRun(self._connection, letters, sender, today=today, at=at, checkpoint=carry_on)
        run.perform(None, keep_days=365)

    def _answer(self, name: str, today: date) -> None:
        self._connection.execute(
            "WITH i AS (UPDATE \"ListItem\" SET status = 'CHECK_ANNUAL_REVIEW' WHERE id = %s"
            ' RETURNING id) INSERT INTO "Event" ("listItemId", time, type, "jsonData")'
            " SELECT id, %s, 'CHECK_ANNUAL_REVIEW', '{}' FROM i",
            (self._items[name], today),
        )

    def _take_off(self, name: str) -> None:
        self._connection.execute(
            'UPDATE "ListItem" SET status = \'UNPUBLISHED\', "isPublished" = false WHERE id = %s',
            (self._items[name],),
        )

    def _changes(self) -> tuple[str, ...]:
        """What runs have changed since the last look."""
        found: dict[str, list[str]] = {}
        for number, kind, item in self._connection.execute(
            'SELECT id, type::text, "listItemId" FROM "Event" WHERE id > %s ORDER BY id',
            (self._seen["Event"],),
        ).fetchall():
            self._seen["Event"] = number
            if kind in _CHANGES:
                found.setdefault(_CHANGES[kind], []).append(self._names[item])
        for number, kind in self._connection.execute(
            'SELECT id, "jsonData" ->> \'eventName\' FROM "Audit" WHERE id > %s ORDER BY id',
            (self._seen["Audit"],),
        ).fetchall():
            self._seen["Audit"] = number
            if kind in _CHANGES:
                found.setdefault(_CHANGES[kind], [])
        return tuple(
            f"{change}: {', '.join(names)}" if names else change for change, names in found.items()
        )


def _seed(connection: psycopg.Connection) -> dict[str, int]:
    """One list with its staff and entries; ids of the entries by name."""
    list_id = _id(
        connection,
        "WITH c AS (INSERT INTO \"Country\" (name) VALUES ('France') RETURNING id)"
        ' INSERT INTO "List" (reference, type, "countryId", "jsonData",'
        " \"nextAnnualReviewStartDate\") SELECT 'lawyers-france', 'lawyers', id, '{}', %s FROM c"
        " RETURNING id",
        _START,
    )
    for email in _STAFF:
        connection.execute(
            'WITH u AS (INSERT INTO "User" (email) VALUES (%s) RETURNING id)'
            ' INSERT INTO "_ListToUser" SELECT %s, id FROM u',
            (email, list_id),
        )
    items: dict[str, int] = {}
    for name, published in _ENTRIES.items():
        data = {"contactName": name, "emailAddress": f"{name.lower()}@example.com"}
        items[name] = _id(
            connection,
            'INSERT INTO "ListItem" (reference, "listId", type, "jsonData", "isPublished", status)'
            " VALUES (%s, %s, 'lawyers', %s::jsonb, true, 'PUBLISHED') RETURNING id",
            name.lower(),
            list_id,
            json.dumps(data),
        )
        connection.execute(
            'INSERT INTO "Event" ("listItemId", time, type, "jsonData")'
            " VALUES (%s, %s, 'PUBLISHED', '{}')",
            (items[name], published),
        )
    return items


def _id(connection: psycopg.Connection, query: LiteralString, *values: object) -> int:
    row = connection.execute(query, values).fetchone()
    assert row is not None
    return int(row[0])


def _name(address: str) -> str:
    local = address.partition("@")[0]
    return f"staff {local[-3:]}" if address in _STAFF else local.title()
