"""What the annual review would do on days to come, told without an address.

Both jobs are looked ahead together, since each morning's plans are what the worker carries out. The
assumptions: every e-mail arrives, nobody answers, nobody edits a list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from worker.clients.db import Connection
from worker.jobs.preview import PreviewDay, PreviewLine
from worker.lists import outbox, store, wording
from worker.lists.decisions import Decision, assume_done, decide
from worker.lists.entering import Entry, assume_entered, entry
from worker.lists.milestones import Milestone
from worker.lists.situation import OVERDUE, ReviewList

# Stands for the reference that a real plan is given at random.
_NO_REFERENCE = UUID(int=0)


@dataclass(frozen=True, slots=True)
class _Morning:
    """One list on one day: what both jobs would do to it; ``left`` is left from earlier runs."""

    review: ReviewList
    entered: Entry
    decision: Decision
    left: tuple[Milestone, ...] = ()


def preview_batch(connection: Connection, days: tuple[date, ...]) -> Iterator[PreviewDay]:
    """Start dates and plans that each day's batch would store."""
    for day, mornings in _mornings(connection, days):
        yield PreviewDay(
            day, tuple(line for one in mornings for line in _batch_lines(one.review, one.entered))
        )


def preview_worker(connection: Connection, days: tuple[date, ...]) -> Iterator[PreviewDay]:
    """E-mails and changes of each day's run, if the batch runs on these days too."""
    for day, mornings in _mornings(connection, days):
        yield PreviewDay(day, tuple(line for one in mornings for line in _worker_lines(one)))


def _mornings(
    connection: Connection, days: tuple[date, ...]
) -> Iterator[tuple[date, list[_Morning]]]:
    # For this transaction only, which is read-only anyway.
    store.use_tables(connection)
    ids = store.all_lists(connection)
    reviews = [one for one in (store.read_list(connection, each) for each in ids) if one]
    for day in days:
        mornings: list[_Morning] = []
        for place, found in enumerate(reviews):
            if not _can_be_handled(found):
                mornings.append(_Morning(found, Entry(), Decision()))
                continue
            entered = entry(found, day, _NO_REFERENCE)
            planned = assume_entered(found, entered)
            decision = decide(planned, day)
            left = _left(connection, planned, day) if day == days[0] else ()
            mornings.append(_Morning(planned, entered, decision, left))
            reviews[place] = assume_done(planned, decision, day)
        yield day, mornings


def _left(connection: Connection, review: ReviewList, day: date) -> tuple[Milestone, ...]:
    """E-mails about a review that has ended which earlier runs could not send."""
    found = outbox.open_mails(connection, review.id, day, settle_s=0)
    overdue = {item.id for item in review.items if item.status == OVERDUE}
    return tuple(
        mail.kind
        for mail in found
        if mail.reference != review.reference and (mail.item_id is None or mail.item_id in overdue)
    )


def _can_be_handled(review: ReviewList) -> bool:
    return review.plan_problem is None and wording.plural(review.type) is not None


def _batch_lines(review: ReviewList, entered: Entry) -> Iterator[PreviewLine]:
    name = _name(review)
    if review.plan_problem is not None:
        yield PreviewLine(name, "nothing", f"its plan is not valid: {review.plan_problem}")
    if entered.first_start is not None:
        yield PreviewLine(
            name,
            f"first start date {entered.first_start}",
            f"a year after its first entry of {review.first_published}, or in 29 days",
        )
    if entered.plan is not None:
        start = entered.plan.dates.start
        moved = "" if entered.moved_from is None else f", moved from {entered.moved_from}"
        yield PreviewLine(
            name,
            f"plan a review of {len(entered.plan.eligible)} entries",
            f"starts {start}{moved}; entries that were on the list before"
            f" {entered.plan.dates.published_before}",
        )
    if entered.eligible is not None:
        yield PreviewLine(
            name, f"change its plan to {len(entered.eligible)} entries", "others are eligible now"
        )
    for item in entered.without_address:
        yield PreviewLine(f"{name}, entry {item}", "nothing", "blocked, or has no e-mail address")


def _worker_lines(morning: _Morning) -> Iterator[PreviewLine]:
    review, decision = morning.review, morning.decision
    name = _name(review)
    left = Counter(morning.left)
    for milestone in Milestone:
        if left[milestone]:
            yield PreviewLine(name, _mail(milestone, left[milestone]), "left by an earlier run")
    if review.plan_problem is not None:
        yield PreviewLine(name, "nothing", f"its plan is not valid: {review.plan_problem}")
    elif wording.plural(review.type) is None and review.plan is not None:
        yield PreviewLine(name, "nothing", f"no words are known for the type {review.type}")
    if review.plan is None:
        return
    dates = review.plan.dates
    if decision.starts:
        yield PreviewLine(
            name, f"start the review of {len(decision.start)} entries", f"START is {dates.start}"
        )
    for item in decision.left_alone:
        yield PreviewLine(
            f"{name}, entry {item}", "nothing", "not on the list as it was when it was planned"
        )
    if decision.closes:
        yield PreviewLine(
            name,
            f"take {len(decision.overdue)} entries off the list and end the review",
            f"UNPUBLISH is {dates.unpublish}; entries {_listed(decision.overdue)}",
        )
    mails = Counter(mail.milestone for mail in decision.mails)
    for milestone in Milestone:
        if mails[milestone]:
            yield PreviewLine(name, _mail(milestone, mails[milestone]), _why(milestone, decision))
    for item in decision.no_address:
        yield PreviewLine(f"{name}, entry {item}", "nothing", "it has no e-mail address")
    for milestone in decision.no_users:
        yield PreviewLine(name, "nothing", f"{milestone}: nobody of the staff looks after the list")


def _name(review: ReviewList) -> str:
    return f"list {review.id} ({wording.plural(review.type) or review.type}, {review.country})"


def _mail(milestone: Milestone, count: int) -> str:
    who = "of the staff" if milestone.to_post else f"provider{'' if count == 1 else 's'}"
    return f"{milestone} {milestone.email_type} to {count} {who}"


def _why(milestone: Milestone, decision: Decision) -> str:
    window = next(mail.window for mail in decision.mails if mail.milestone is milestone)
    why = f"due from {window.opens} to before {window.closes}"
    return f"{why}; week {milestone.week} of 5" if milestone.week else why


def _listed(ids: tuple[int, ...]) -> str:
    return ", ".join(map(str, ids)) or "none"
