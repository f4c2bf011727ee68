"""Which lists enter review, and with which entries: the rules of the morning's batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from uuid import UUID

from worker.lists.key_dates import (
    OPENS_BEFORE_START,
    KeyDates,
    a_year_later,
    midnight,
    published_before,
)
from worker.lists.plan import Plan
from worker.lists.situation import Item, ReviewList

# A first review leaves a day for the batch before its first e-mail is due.
_EARLIEST_FIRST_START = OPENS_BEFORE_START + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the batch does to one list; nothing if every field is empty.

    ``first_start``: the start date that a list gets which had none. ``plan``: a plan to store.
    ``moved_from``: the start that was in the past, for which that plan has a later one.
    ``eligible``: the entries that replace those of a stored plan. ``without_address``: entries
    that take no part because they are blocked or have no e-mail address.
    """

    first_start: date | None = None
    plan: Plan | None = None
    moved_from: date | None = None
    eligible: tuple[int, ...] | None = None
    without_address: tuple[int, ...] = ()

    @property
    def writes(self) -> bool:
        """Whether anything is to be stored."""
        return self.first_start is not None or self.plan is not None or self.eligible is not None


def first_start(first_published: date, today: date) -> date:
    """The first review of a list: a year after its first entry, but 29 days from now at least."""
    return max(a_year_later(first_published), today + _EARLIEST_FIRST_START)


def enters_review(start: date, today: date) -> bool:
    """Whether a review that starts on ``start`` has opened; an overdue one has."""
    return start <= today + OPENS_BEFORE_START


def is_eligible(item: Item, start: date) -> bool:
    """Whether an entry is due: published, in no review, and on the list for long enough."""
    settled = item.last_published is None or (
        item.last_published < midnight(published_before(start))
    )
    return item.is_published and not item.in_review and settled


def can_be_asked(item: Item) -> bool:
    """Whether its provider can be written to."""
    return item.email is not None and not item.is_blocked


def entry(review: ReviewList, today: date, new_reference: UUID) -> Entry:
    """What the batch of ``today`` does to a list whose stored plan, if any, can be read."""
    if review.next_start is None:
        if review.first_published is None:
            return Entry()
        return Entry(first_start=first_start(review.first_published, today))
    if not enters_review(review.next_start, today):
        return Entry()
    if review.plan is not None:
        return _refreshed(review, review.plan, today)
    # A review that would start in the past would take entries off the list without notice.
    overdue = review.next_start < today
    start = today + OPENS_BEFORE_START if overdue else review.next_start
    eligible, without = _split(review, start)
    return Entry(
        plan=Plan(new_reference, eligible, KeyDates.from_start(start)),
        moved_from=review.next_start if overdue else None,
        without_address=without,
    )


def assume_entered(review: ReviewList, done: Entry) -> ReviewList:
    """The list as the batch leaves it."""
    if done.first_start is not None:
        return replace(review, next_start=done.first_start)
    if done.plan is not None:
        return replace(review, plan=done.plan, next_start=done.plan.dates.start)
    if done.eligible is not None and review.plan is not None:
        return replace(review, plan=replace(review.plan, eligible=done.eligible))
    return review


def _refreshed(review: ReviewList, plan: Plan, today: date) -> Entry:
    # From the start on every entry of the plan is in review, so none would be found eligible.
    # That stays so if the start is moved into the future again after it has happened.
    frozen = today >= plan.dates.start or any(item.started for item in review.items)
    if frozen:
        return Entry()
    eligible, without = _split(review, plan.dates.start)
    changed = eligible != plan.eligible
    return Entry(eligible=eligible if changed else None, without_address=without)


def _split(review: ReviewList, start: date) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Ids of the eligible entries, sorted, and of those that only lack an address."""
    eligible = sorted(
        (item for item in review.items if is_eligible(item, start)), key=lambda item: item.id
    )
    return (
        tuple(item.id for item in eligible if can_be_asked(item)),
        tuple(item.id for item in eligible if not can_be_asked(item)),
    )
