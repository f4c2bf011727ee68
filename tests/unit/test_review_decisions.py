"""What is due on any day of any review, whatever days are missed: promises for every calendar.

Only the decisions are at work here: each day's outcome is assumed, and the next day decided on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from worker.lists.decisions import Mail, assume_done, decide
from worker.lists.entering import Entry, assume_entered, entry, first_start, is_eligible
from worker.lists.key_dates import KeyDates, a_year_later, midnight
from worker.lists.milestones import Milestone, window
from worker.lists.plan import Plan
from worker.lists.situation import Item, ReviewList, User

REFERENCE = UUID(int=7)
days_of_runs = st.lists(st.integers(-35, 60), min_size=1, max_size=60)
starts = st.dates(date(2020, 1, 1), date(2040, 12, 31))


def entry_of(number: int) -> Item:
    return Item(
        id=number,
        reference=f"item-{number}",
        contact_name=f"Person {number}",
        email=f"p{number}@example.com",
        status="PUBLISHED",
        is_published=True,
        is_blocked=False,
        in_review=False,
        last_published=midnight(date(2019, 1, 1)),
        last_answer=None,
    )


def list_of(start: date | None, items: int = 3) -> ReviewList:
    return ReviewList(
        id=1,
        type="lawyers",
        country="France",
        next_start=start,
        last_start=None,
        in_review=False,
        first_published=date(2019, 1, 1),
        plan=None,
        plan_problem=None,
        items=tuple(entry_of(number) for number in range(1, items + 1)),
        users=(User(1, "post@example.com"),),
    )


def planned(start: date) -> ReviewList:
    review = list_of(start)
    dates = KeyDates.from_start(start)
    return replace(review, plan=Plan(REFERENCE, (1, 2, 3), dates))


@dataclass
class Life:
    """A review and everything that its runs have done."""

    review: ReviewList
    mails: list[tuple[date, Mail]] = field(default_factory=list)
    started: list[int] = field(default_factory=list)
    overdue: list[int] = field(default_factory=list)
    ends: int = 0
    mails_before_answer: dict[int, int] = field(default_factory=dict)

    def run(self, today: date) -> None:
        done = decide(self.review, today)
        self.mails += [(today, mail) for mail in done.mails]
        self.started += done.start
        self.overdue += done.overdue
        self.ends += done.closes
        self.review = assume_done(self.review, done, today)

    def answer(self, number: int, today: date) -> None:
        """The provider answers, if it has been asked and has not answered yet."""
        asked = any(item.id == number and item.in_review for item in self.review.items)
        if not asked or number in self.mails_before_answer:
            return
        self.mails_before_answer[number] = len(self.mails)
        items = tuple(
            replace(item, last_answer=midnight(today), status="CHECK_ANNUAL_REVIEW")
            if item.id == number
            else item
            for item in self.review.items
        )
        self.review = replace(self.review, items=items)


def live(start: date, offsets: Sequence[int], answers: dict[int, int]) -> Life:
    life = Life(planned(start))
    for offset in offsets:
        today = start + timedelta(days=offset)
        for number, answered in answers.items():
            if answered <= offset:
                life.answer(number, today)
        life.run(today)
    return life


@given(starts, days_of_runs)
def test_no_email_is_sent_twice_or_outside_its_window(start: date, offsets: list[int]) -> None:
    """Days may come in any order: a stale run, a doubled one, an outage."""
    life = live(start, offsets, {})
    counts = Counter((mail.milestone, mail.recipient) for _, mail in life.mails)
    assert not [one for one, count in counts.items() if count > 1]
    dates = KeyDates.from_start(start)
    for today, mail in life.mails:
        assert mail.window.holds(today)
        if mail.milestone not in (Milestone.PROVIDER_UNPUBLISHED, Milestone.POST_UNPUBLISHED):
            assert mail.window == window(mail.milestone, dates)


@given(starts, days_of_runs)
def test_entries_start_once_and_come_off_once(start: date, offsets: list[int]) -> None:
    life = live(start, offsets, {})
    assert len(life.started) == len(set(life.started))
    assert len(life.overdue) == len(set(life.overdue))
    assert set(life.overdue) <= set(life.started)
    assert life.ends <= 1
    assert life.ends == any(offset >= 42 for offset in offsets)
    if life.ends:
        assert life.review.next_start == a_year_later(start)
        assert life.review.last_start == start


@given(starts, days_of_runs.map(sorted), st.dictionaries(st.integers(1, 3), st.integers(0, 41)))
def test_whoever_has_answered_is_left_in_peace(
    start: date, offsets: list[int], answers: dict[int, int]
) -> None:
    life = live(start, offsets, answers)
    for number, before in life.mails_before_answer.items():
        (item,) = (one for one in life.review.items if one.id == number)
        assert item.is_published
        assert number not in life.overdue
        later = [mail for _, mail in life.mails[before:] if mail.item is not None]
        assert number not in {mail.item.id for mail in later if mail.item is not None}


@given(starts)
def test_a_review_without_a_missed_day_sends_everything_once(start: date) -> None:
    life = live(start, range(-35, 60), {3: 10})
    to_one = Counter(mail.milestone for _, mail in life.mails if mail.recipient.startswith("p1"))
    assert to_one == Counter(one for one in Milestone if not one.to_post)
    to_post = Counter(mail.milestone for _, mail in life.mails if mail.item is None)
    assert to_post == Counter(one for one in Milestone if one.to_post)
    assert life.overdue == [1, 2]


@given(starts, st.lists(st.integers(-60, 60), min_size=1, max_size=40))
def test_the_batch_plans_once_never_in_the_past_and_freezes_at_the_start(
    start: date, offsets: list[int]
) -> None:
    review = list_of(start)
    plans: list[Entry] = []
    for offset in sorted(offsets):
        today = start + timedelta(days=offset)
        done = entry(review, today, REFERENCE)
        review = assume_entered(review, done)
        if done.plan is not None:
            plans.append(done)
            assert done.plan.dates.start >= today
            assert done.plan.dates.post_one_month <= today
        assert done.eligible is None
        assert (review.plan is not None) == any(one <= offset and one >= -28 for one in offsets)
    assert len(plans) <= 1


@given(st.dates(date(2010, 1, 1), date(2030, 12, 31)), st.dates(date(2010, 1, 1), date(2031, 1, 1)))
def test_a_first_review_always_leaves_time_for_its_first_email(
    first_published: date, today: date
) -> None:
    start = first_start(first_published, today)
    assert start >= a_year_later(first_published)
    assert KeyDates.from_start(start).post_one_month > today


@given(starts, st.integers(-90, 0))
def test_an_entry_is_eligible_if_it_was_published_eight_weeks_before(
    start: date, offset: int
) -> None:
    item = replace(entry_of(1), last_published=midnight(start + timedelta(days=offset)))
    assert is_eligible(item, start) == (offset < -56)
