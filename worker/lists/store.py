"""Reads lists and writes what was decided about them; every function works in the caller's
transaction.

The tables are those of the lists service. Their schema is ``lists`` where this worker has made
them, and whatever the service calls it elsewhere: see ``use_tables``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from worker.clients.db import Connection
from worker.lists.key_dates import a_year_later, midnight
from worker.lists.milestones import Milestone
from worker.lists.plan import Plan, PlanInvalid
from worker.lists.situation import Item, KnownMail, Reminder, ReviewList, User
from worker.sqlfiles import statement

# The first key only keeps these locks apart from others in the same database.
_LOCKS = 7_203_006


@dataclass(frozen=True, slots=True)
class _ListRow:
    id: int
    type: str
    country: str
    next_start: date | None
    last_start: date | None
    in_review: bool
    stored_plan: object
    first_published: date | None


@dataclass(frozen=True, slots=True)
class _ItemRow:
    id: int
    reference: str
    contact_name: str
    email: str | None
    status: str
    is_published: bool
    is_blocked: bool
    in_review: bool
    last_published: datetime | None
    last_answer: datetime | None
    started: bool
    reminder_types: Sequence[str]
    reminder_days: Sequence[date]

    def item(self) -> Item:
        pairs = zip(self.reminder_types, self.reminder_days, strict=True)
        return Item(
            id=self.id,
            reference=self.reference,
            contact_name=self.contact_name,
            email=self.email,
            status=self.status,
            is_published=self.is_published,
            is_blocked=self.is_blocked,
            in_review=self.in_review,
            last_published=self.last_published,
            last_answer=self.last_answer,
            started=self.started,
            reminders=tuple(Reminder(kind, day) for kind, day in pairs),
        )


def use_tables(connection: Connection) -> None:
    """From here on names without a schema mean the lists service's tables.

    They are looked for in ``lists``, then in ``public``.
    """
    connection.execute(b"SELECT set_config('search_path', 'lists, public', false)")


def lists_for_batch(
    connection: Connection, opens_by: date, only: Collection[int] | None
) -> tuple[int, ...]:
    """Ids of lists whose review opens by that day, or that need their first start date."""
    limits = {"opens_by": opens_by, "only": None if only is None else list(only)}
    return _ids(connection, "lists_for_batch", limits)


def lists_in_review(connection: Connection, only: Collection[int] | None) -> tuple[int, ...]:
    """Ids of lists with a plan, or with e-mails that are still to be sent."""
    return _ids(connection, "lists_in_review", {"only": None if only is None else list(only)})


def all_lists(connection: Connection) -> tuple[int, ...]:
    """Ids of every list."""
    return _ids(connection, "all_lists", {})


def try_lock(connection: Connection, list_id: int) -> bool:
    """Be the only run that works on this list, unless another one is; until ``unlock``."""
    row = connection.execute(b"SELECT pg_try_advisory_lock(%s, %s)", (_LOCKS, list_id)).fetchone()
    return row is not None and bool(row[0])


def wait_for_lock(connection: Connection, list_id: int) -> None:
    """As ``try_lock``, but waits as long as the connection waits for locks."""
    connection.execute(b"SELECT pg_advisory_lock(%s, %s)", (_LOCKS, list_id))


def unlock(connection: Connection, list_id: int) -> None:
    """Let other runs work on this list."""
    connection.execute(b"SELECT pg_advisory_unlock(%s, %s)", (_LOCKS, list_id))


def lock_rows(connection: Connection, list_id: int, *, items: bool) -> None:
    """Keep everybody from changing the list, and its entries too, until the transaction ends."""
    connection.execute(statement(__package__, "lock_list"), {"list_id": list_id})
    if items:
        connection.execute(statement(__package__, "lock_items"), {"list_id": list_id})


def read_list(connection: Connection, list_id: int) -> ReviewList | None:
    """Everything about one list; None if there is no such list."""
    rows = connection.cursor(row_factory=class_row(_ListRow))
    row = rows.execute(statement(__package__, "read_list"), {"list_id": list_id}).fetchone()
    if row is None:
        return None
    problem: str | None = None
    plan: Plan | None = None
    try:
        plan = Plan.from_json(row.stored_plan)
    except PlanInvalid as error:
        problem = str(error)
    reference = None if plan is None else str(plan.reference)
    wanted = {"list_id": list_id, "reference": reference}
    items = connection.cursor(row_factory=class_row(_ItemRow))
    users = connection.cursor(row_factory=class_row(User))
    return ReviewList(
        id=row.id,
        type=row.type,
        country=row.country,
        next_start=row.next_start,
        last_start=row.last_start,
        in_review=row.in_review,
        first_published=row.first_published,
        plan=plan,
        plan_problem=problem,
        items=tuple(one.item() for one in items.execute(_sql("read_items"), wanted)),
        users=tuple(users.execute(_sql("read_users"), wanted)),
        post_types=frozenset() if plan is None else post_types(connection, plan.reference),
        mails=tuple(
            KnownMail(Milestone(milestone), recipient, is_open)
            for milestone, recipient, is_open in connection.execute(_sql("read_mails"), wanted)
        ),
    )


def post_types(connection: Connection, reference: UUID) -> frozenset[str]:
    """The kinds of e-mail that the list's staff got in the review."""
    rows = connection.execute(_sql("read_post_types"), {"reference": str(reference)})
    return frozenset(str(kind) for (kind,) in rows)


def give_start(connection: Connection, list_id: int, start: date, at: datetime) -> None:
    """Store the first start date of a list that has none."""
    connection.execute(_sql("give_start"), {"list_id": list_id, "start": start, "at": at})


def store_plan(
    connection: Connection, list_id: int, plan: Plan, moved_from: date | None, at: datetime
) -> None:
    """Store a new plan with its start date, and an audit that says so."""
    stored = plan.as_json()
    connection.execute(
        _sql("store_plan"),
        {"list_id": list_id, "plan": Jsonb(stored), "start": plan.dates.start, "at": at},
    )
    data: dict[str, object] = {"eventName": "startAnnualReview", "currentAnnualReview": stored}
    if moved_from is not None:
        data["note"] = f"the start date {moved_from} had passed and was moved to {plan.dates.start}"
    add_audit(connection, "ANNUAL_REVIEW", list_id, plan.reference, data)


def store_eligible(
    connection: Connection, list_id: int, eligible: tuple[int, ...], at: datetime
) -> None:
    """Replace the entries of the stored plan."""
    connection.execute(
        _sql("store_eligible"), {"list_id": list_id, "eligible": Jsonb(list(eligible)), "at": at}
    )


def start_review(
    connection: Connection, list_id: int, plan: Plan, ids: tuple[int, ...], at: datetime
) -> tuple[int, ...]:
    """Mark the list as in review and start these entries; ids of those that have started."""
    about = {"list_id": list_id, "at": at}
    connection.execute(_sql("mark_list"), about)
    return _ids(
        connection, "start_items", {**about, "ids": list(ids), "reference": str(plan.reference)}
    )


def end_review(
    connection: Connection, list_id: int, plan: Plan, ids: tuple[int, ...], at: datetime
) -> tuple[int, ...]:
    """Take these entries off the list and close its review; ids of those that came off."""
    start = plan.dates.start
    about = {"list_id": list_id, "at": at}
    overdue = _ids(
        connection,
        "take_off",
        {**about, "ids": list(ids), "reference": str(plan.reference), "start": midnight(start)},
    )
    connection.execute(
        _sql("close_list"), {**about, "start": start, "next_start": a_year_later(start)}
    )
    data: dict[str, object] = {"eventName": "endAnnualReview"}
    add_audit(connection, "ANNUAL_REVIEW", list_id, plan.reference, data)
    return overdue


def add_audit(
    connection: Connection,
    event: str,
    list_id: int,
    reference: UUID,
    data: dict[str, object],
    email_type: str | None = None,
) -> None:
    """Record something about the list; the reference stands under both of its names."""
    about = {
        "itemId": list_id,
        "reference": str(reference),
        "annualReviewRef": str(reference),
        **data,
    }
    connection.execute(
        _sql("add_audit"), {"event": event, "email_type": email_type, "data": Jsonb(about)}
    )


def _ids(connection: Connection, name: str, values: Mapping[str, object]) -> tuple[int, ...]:
    return tuple(sorted(int(row[0]) for row in connection.execute(_sql(name), values)))


def _sql(name: str) -> bytes:
    return statement("worker.lists", name)
