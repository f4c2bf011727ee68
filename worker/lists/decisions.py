"""What is due on a day in the review of one list: who is written to and what changes.

Pure: a situation and a date give a decision. ``assume_done`` gives the situation after it, which
is how a preview looks ahead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date

from worker.lists.key_dates import KeyDates, a_year_later, midnight
from worker.lists.milestones import (
    Milestone,
    Window,
    open_on,
    types_from,
    window,
    window_after_end,
)
from worker.lists.situation import (
    OUT_WITH_PROVIDER,
    OVERDUE,
    UNPUBLISHED,
    Item,
    Reminder,
    ReviewList,
)


@dataclass(frozen=True, slots=True)
class Mail:
    """An e-mail that is due; ``item`` is None where it goes to the embassy's staff."""

    milestone: Milestone
    recipient: str
    item: Item | None
    window: Window


@dataclass(frozen=True, slots=True)
class Lost:
    """An e-mail whose day has passed without it, and to how many providers it would have gone."""

    milestone: Milestone
    providers: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What a run does for one list.

    ``starts``: the list is marked as in review. ``start``: ids of the entries whose review starts;
    ``left_alone``: planned entries for which it does not. ``closes``: the review ends. ``overdue``:
    ids of the entries that come off the list. ``not_responded`` counts those who have not answered.
    ``no_users``: e-mails to staff without anybody to send them to. ``no_address``: ids of entries
    whose provider can't be written to.
    """

    starts: bool = False
    start: tuple[int, ...] = ()
    left_alone: tuple[int, ...] = ()
    mails: tuple[Mail, ...] = ()
    closes: bool = False
    overdue: tuple[int, ...] = ()
    not_responded: int = 0
    no_users: tuple[Milestone, ...] = ()
    no_address: tuple[int, ...] = ()
    lost: tuple[Lost, ...] = ()


def decide(review: ReviewList, today: date) -> Decision:
    """What is due today; nothing for a list without a plan."""
    if review.plan is None:
        return Decision()
    dates = review.plan.dates
    if today >= dates.unpublish:
        return _ending(review, dates, today)
    if today < dates.start:
        return _mailing(review, dates, today, Decision())
    planned = review.planned_items()
    start = frozenset(item.id for item in planned if can_start(item, dates))
    starts = bool(start) or not review.in_review
    left_alone = [item.id for item in planned if not item.started and item.id not in start]
    decision = Decision(
        starts=starts,
        start=tuple(sorted(start)),
        left_alone=tuple(left_alone) if starts else (),
    )
    return _mailing(_started(review, start), dates, today, decision)


def can_start(item: Item, dates: KeyDates) -> bool:
    """Whether an entry's review can start: it is on the list as it was when the plan was made."""
    published_again = item.last_published is not None and (
        item.last_published >= midnight(dates.published_before)
    )
    return (
        not item.started
        and item.is_published
        and not item.is_blocked
        and not item.in_review
        and item.status != UNPUBLISHED
        and not published_again
        and not _answered(item, dates)
    )


def has_not_responded(item: Item, dates: KeyDates) -> bool:
    """Whether an entry in review still waits for its provider; one that staff took off does not."""
    return (
        item.in_review
        and item.status == OUT_WITH_PROVIDER
        and item.is_published
        and not item.is_blocked
        and not _answered(item, dates)
    )


def assume_done(review: ReviewList, done: Decision, today: date) -> ReviewList:
    """The list after ``done``, if every e-mail arrives and nobody does anything else."""
    review = _started(review, frozenset(done.start))
    review = replace(review, in_review=review.in_review or done.starts)
    sent: dict[int, list[Reminder]] = {}
    posted: set[str] = set()
    for mail in done.mails:
        if mail.item is None:
            posted.add(mail.milestone.email_type)
        else:
            reminder = Reminder(mail.milestone.email_type, today)
            sent.setdefault(mail.item.id, []).append(reminder)
    items = tuple(
        replace(item, reminders=(*item.reminders, *sent.get(item.id, ()))) for item in review.items
    )
    review = replace(review, items=items, post_types=review.post_types | posted)
    return _ended(review, frozenset(done.overdue)) if done.closes else review


def _mailing(review: ReviewList, dates: KeyDates, today: date, decision: Decision) -> Decision:
    waiting = [item for item in review.planned_items() if has_not_responded(item, dates)]
    mails: list[Mail] = []
    no_users: list[Milestone] = []
    for milestone in open_on(today, dates):
        opened = window(milestone, dates)
        if not milestone.to_post:
            mails += _to_providers(milestone, opened, waiting)
            continue
        if milestone is Milestone.POST_UNPUBLISH_ONE_DAY and not waiting:
            continue
        if not review.users and not review.post_types & types_from(milestone):
            no_users.append(milestone)
        mails += _to_post(milestone, opened, review)
    return replace(
        decision,
        mails=tuple(mails),
        not_responded=len(waiting),
        no_users=tuple(no_users),
        no_address=tuple(item.id for item in waiting if item.email is None),
    )


def _to_post(milestone: Milestone, opened: Window, review: ReviewList) -> list[Mail]:
    """One to each member of staff, unless it or a later one counts as sent.

    It counts as sent once one of them has got it. Only what a crash has left open then is sent.
    """
    later = types_from(milestone) - {milestone.email_type}
    if review.post_types & later:
        return []
    recipients = [user.email for user in review.users]
    if milestone.email_type in review.post_types:
        left = {
            mail.recipient for mail in review.mails if mail.milestone == milestone and mail.open
        }
        recipients = [one for one in recipients if one in left]
    return [Mail(milestone, recipient, None, opened) for recipient in recipients]


def _to_providers(milestone: Milestone, opened: Window, waiting: Iterable[Item]) -> list[Mail]:
    return [
        Mail(milestone, item.email, item, opened)
        for item in waiting
        if item.email is not None and not _has_got(item, milestone, opened)
    ]


def _has_got(item: Item, milestone: Milestone, opened: Window) -> bool:
    """Whether the provider has got this e-mail, or a later one, which makes it pointless."""
    passed = types_from(milestone)
    if milestone.week is None:
        return any(one.email_type in passed for one in item.reminders)
    return any(
        one.email_type in passed
        and (one.email_type != milestone.email_type or one.sent_on >= opened.opens)
        for one in item.reminders
    )


def _ending(review: ReviewList, dates: KeyDates, today: date) -> Decision:
    overdue = [item for item in review.planned_items() if has_not_responded(item, dates)]
    opened = window_after_end(today)
    mails = [
        Mail(Milestone.PROVIDER_UNPUBLISHED, item.email, item, opened)
        for item in overdue
        if item.email is not None
    ]
    if overdue:
        mails += [
            Mail(Milestone.POST_UNPUBLISHED, user.email, None, opened) for user in review.users
        ]
    return Decision(
        closes=True,
        mails=tuple(mails),
        overdue=tuple(item.id for item in overdue),
        not_responded=len(overdue),
        no_users=(Milestone.POST_UNPUBLISHED,) if overdue and not review.users else (),
        no_address=tuple(item.id for item in overdue if item.email is None),
        lost=_lost(review, overdue),
    )


def _lost(review: ReviewList, overdue: list[Item]) -> tuple[Lost, ...]:
    """The last warnings that nobody can send any more."""
    last = types_from(Milestone.PROVIDER_ONE_DAY)
    unwarned = [
        item for item in overdue if not any(one.email_type in last for one in item.reminders)
    ]
    lost: list[Lost] = []
    if unwarned:
        lost.append(Lost(Milestone.PROVIDER_ONE_DAY, len(unwarned)))
    if overdue and not review.post_types & types_from(Milestone.POST_UNPUBLISH_ONE_DAY):
        lost.append(Lost(Milestone.POST_UNPUBLISH_ONE_DAY, len(overdue)))
    return tuple(lost)


def _answered(item: Item, dates: KeyDates) -> bool:
    return item.last_answer is not None and item.last_answer >= midnight(dates.start)


def _started(review: ReviewList, ids: frozenset[int]) -> ReviewList:
    if not ids:
        return review
    items = tuple(
        replace(item, status=OUT_WITH_PROVIDER, in_review=True, started=True)
        if item.id in ids
        else item
        for item in review.items
    )
    return replace(review, items=items)


def _ended(review: ReviewList, overdue: frozenset[int]) -> ReviewList:
    assert review.plan is not None
    start = review.plan.dates.start
    items = tuple(
        replace(item, status=OVERDUE, in_review=False, is_published=False)
        if item.id in overdue
        else item
        for item in review.items
    )
    return replace(
        review,
        plan=None,
        in_review=False,
        last_start=start,
        next_start=a_year_later(start),
        items=tuple(replace(item, started=False, reminders=()) for item in items),
        post_types=frozenset(),
        mails=(),
    )
