"""E-mails of the review: stored with the decision, claimed before they are sent, then recorded.

In the database of the lists, so that a state change and the e-mails about it are one transaction.
Only the run that has locked the list, on the connection that holds the lock, writes here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID, uuid4

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from worker.clients.db import Connection
from worker.lists import store, wording
from worker.lists.letters import Letter
from worker.lists.milestones import Milestone
from worker.sqlfiles import statement

# The database's enumeration of e-mails to staff has no name for the last one.
_UNNAMED_TYPE = "unpublished"


@dataclass(frozen=True, slots=True)
class OpenMail:
    """A stored e-mail that may be sent today; ``id`` is the reference that Notify is given.

    ``in_flight_s``: for so many seconds a try that was cut off may still be on its way.
    """

    id: UUID
    reference: UUID
    list_id: int
    item_id: int | None
    recipient: str
    milestone: str
    template_id: str
    personalisation: Mapping[str, str]
    in_flight_s: float

    @property
    def kind(self) -> Milestone:
        return Milestone(self.milestone)


@dataclass(frozen=True, slots=True)
class GivenUp:
    """An e-mail that will not be sent; ``window_passed``: its time is over."""

    milestone: str
    item_id: int | None
    attempts: int
    window_passed: bool


def store_letters(
    connection: Connection, list_id: int, reference: UUID, letters: Iterable[Letter]
) -> list[UUID]:
    """Keep these e-mails until they are sent; ids of those that are not sent yet."""
    kept: list[UUID] = []
    for letter in letters:
        row = connection.execute(
            _sql("store_mail"),
            {
                "id": uuid4(),
                "reference": reference,
                "list_id": list_id,
                "item_id": letter.item_id,
                "recipient": letter.recipient,
                "milestone": letter.milestone.value,
                "template_id": letter.template_id,
                "personalisation": Jsonb(dict(letter.personalisation)),
                "send_from": letter.window.opens,
                "send_before": letter.window.closes,
            },
        ).fetchone()
        if row is not None:
            kept.append(row[0])
    return kept


def withdraw_others(
    connection: Connection, list_id: int, reference: UUID, kept: list[UUID], today: date
) -> tuple[GivenUp, ...]:
    """Give up every open e-mail of the review but these."""
    return _given_up(
        connection,
        "withdraw_mails",
        {"list_id": list_id, "reference": reference, "kept": kept, "today": today},
    )


def expire(connection: Connection, list_id: int, today: date) -> tuple[GivenUp, ...]:
    """Give up every open e-mail about the list whose time is over, or that is not true any more."""
    about_end = Milestone.PROVIDER_UNPUBLISHED.value
    return _given_up(
        connection,
        "expire_mails",
        {"list_id": list_id, "today": today, "about_end": about_end},
    )


def open_mails(
    connection: Connection, list_id: int, today: date, *, settle_s: float
) -> tuple[OpenMail, ...]:
    """What may be sent today; ``settle_s``: how long a request to Notify may take at most."""
    cursor = connection.cursor(row_factory=class_row(OpenMail))
    wanted = {"list_id": list_id, "today": today, "settle_s": settle_s}
    return tuple(cursor.execute(_sql("open_mails"), wanted))


def claim(connection: Connection, mail: OpenMail) -> int | None:
    """Note that it is about to be sent; how often it was tried with this time, None if settled."""
    row = connection.execute(_sql("claim_mail"), {"id": mail.id}).fetchone()
    return None if row is None else int(row[0])


def put_back(connection: Connection, mail: OpenMail, error_code: str) -> None:
    """It was not taken this time."""
    connection.execute(
        _sql("settle_mail"),
        {"id": mail.id, "state": "pending", "notify_id": None, "error_code": error_code},
    )


def record_sent(
    connection: Connection, mail: OpenMail, notify_id: str | None, at: datetime
) -> None:
    """Notify has it: settle it, with the event of the provider or the audit of the list."""
    connection.execute(
        _sql("settle_mail"),
        {"id": mail.id, "state": "sent", "notify_id": notify_id, "error_code": None},
    )
    response = {"id": notify_id, "template": mail.template_id}
    email_type = mail.kind.email_type
    if mail.item_id is not None:
        data = {
            "eventName": "reminder",
            "itemId": mail.item_id,
            "reference": str(mail.reference),
            "notes": wording.notes(mail.kind),
            "response": response,
        }
        about = {"item_id": mail.item_id, "at": at, "email_type": email_type, "data": Jsonb(data)}
        connection.execute(_sql("add_reminder"), about)
    elif email_type not in store.post_types(connection, mail.reference):
        store.add_audit(
            connection,
            "REMINDER",
            mail.list_id,
            mail.reference,
            {"eventName": "reminder", "emailType": email_type, "response": response},
            email_type=None if email_type == _UNNAMED_TYPE else email_type,
        )


def give_up_others(connection: Connection, list_id: int) -> frozenset[UUID]:
    """Give up e-mails to staff that failed while a colleague got theirs; their ids."""
    found = connection.execute(_sql("give_up_others"), {"list_id": list_id})
    return frozenset(row[0] for row in found)


def forget(connection: Connection, before: date) -> int:
    """Delete e-mails, addresses included, whose time was over before that day; how many."""
    return connection.execute(_sql("forget_mails"), {"before": before}).rowcount


def _given_up(
    connection: Connection, name: str, values: Mapping[str, object]
) -> tuple[GivenUp, ...]:
    found = connection.execute(_sql(name), values)
    return tuple(GivenUp(*row) for row in found)


def _sql(name: str) -> bytes:
    return statement("worker.lists", name)
