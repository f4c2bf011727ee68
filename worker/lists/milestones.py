"""What is sent in the course of a review: to whom, between which dates, under which names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from worker.lists.key_dates import KeyDates

# E-mails about a review that has ended are tried on later runs for at most this long.
_AFTER_THE_END = timedelta(days=7)


class Milestone(StrEnum):
    """An e-mail of the review; the values are those of the outbox, in order of time."""

    POST_ONE_MONTH = "M1"
    POST_ONE_WEEK = "M2"
    POST_ONE_DAY = "M3"
    POST_STARTED = "M4"
    PROVIDER_STARTED = "M5"
    WEEK_1 = "M6.1"
    WEEK_2 = "M6.2"
    WEEK_3 = "M6.3"
    WEEK_4 = "M6.4"
    WEEK_5 = "M6.5"
    PROVIDER_ONE_DAY = "M7"
    POST_UNPUBLISH_ONE_DAY = "M8"
    PROVIDER_UNPUBLISHED = "M9"
    POST_UNPUBLISHED = "M10"

    @property
    def week(self) -> int | None:
        """The number of a weekly reminder, 1 to 5."""
        return WEEKLY.index(self) + 1 if self in WEEKLY else None

    @property
    def to_post(self) -> bool:
        """Whether it goes to the embassy's staff instead of a provider."""
        return self in _TO_POST

    @property
    def audience(self) -> str:
        """Who gets it, in one word."""
        return "post" if self.to_post else "provider"

    @property
    def email_type(self) -> str:
        """The name under which events and audits record it."""
        return _EMAIL_TYPES[self]


WEEKLY = (
    Milestone.WEEK_1,
    Milestone.WEEK_2,
    Milestone.WEEK_3,
    Milestone.WEEK_4,
    Milestone.WEEK_5,
)
BEFORE_START = (Milestone.POST_ONE_MONTH, Milestone.POST_ONE_WEEK, Milestone.POST_ONE_DAY)
ABOUT_UNPUBLISHING = frozenset(
    {
        *WEEKLY,
        Milestone.PROVIDER_ONE_DAY,
        Milestone.POST_UNPUBLISH_ONE_DAY,
        Milestone.PROVIDER_UNPUBLISHED,
        Milestone.POST_UNPUBLISHED,
    }
)
_TO_POST = frozenset(
    {
        *BEFORE_START,
        Milestone.POST_STARTED,
        Milestone.POST_UNPUBLISH_ONE_DAY,
        Milestone.POST_UNPUBLISHED,
    }
)
_EMAIL_TYPES: Mapping[Milestone, str] = {
    Milestone.POST_ONE_MONTH: "oneMonthBeforeStart",
    Milestone.POST_ONE_WEEK: "oneWeekBeforeStart",
    Milestone.POST_ONE_DAY: "oneDayBeforeStart",
    Milestone.POST_STARTED: "started",
    Milestone.PROVIDER_STARTED: "started",
    **dict.fromkeys(WEEKLY, "weeklyUnpublish"),
    Milestone.PROVIDER_ONE_DAY: "oneDayBeforeUnpublish",
    Milestone.POST_UNPUBLISH_ONE_DAY: "oneDayBeforeUnpublish",
    Milestone.PROVIDER_UNPUBLISHED: "unpublished",
    Milestone.POST_UNPUBLISHED: "unpublished",
}
# The types are ordered in the database too: what has a later one needs no earlier one any more.
POST_TYPES = (
    "oneMonthBeforeStart",
    "oneWeekBeforeStart",
    "oneDayBeforeStart",
    "started",
    "oneDayBeforeUnpublish",
    "unpublished",
)
PROVIDER_TYPES = ("started", "weeklyUnpublish", "oneDayBeforeUnpublish", "unpublished")


def types_from(milestone: Milestone) -> frozenset[str]:
    """The type of this e-mail and every later one to the same people."""
    order = POST_TYPES if milestone.to_post else PROVIDER_TYPES
    return frozenset(order[order.index(milestone.email_type) :])


@dataclass(frozen=True, slots=True)
class Window:
    """The days on which something may be done: from ``opens`` on, before ``closes``."""

    opens: date
    closes: date

    def holds(self, day: date) -> bool:
        return self.opens <= day < self.closes


def window(milestone: Milestone, dates: KeyDates) -> Window:
    """When an e-mail before the end of the review may be sent: until the next one takes over.

    Raises KeyError for those about the end, whose window begins when it happens.
    """
    return {
        Milestone.POST_ONE_MONTH: Window(dates.post_one_month, dates.post_one_week),
        Milestone.POST_ONE_WEEK: Window(dates.post_one_week, dates.post_one_day),
        Milestone.POST_ONE_DAY: Window(dates.post_one_day, dates.start),
        Milestone.POST_STARTED: Window(dates.start, dates.unpublish),
        Milestone.PROVIDER_STARTED: Window(dates.start, dates.unpublish),
        Milestone.WEEK_1: Window(dates.provider_five_weeks, dates.provider_four_weeks),
        Milestone.WEEK_2: Window(dates.provider_four_weeks, dates.provider_three_weeks),
        Milestone.WEEK_3: Window(dates.provider_three_weeks, dates.provider_two_weeks),
        Milestone.WEEK_4: Window(dates.provider_two_weeks, dates.one_week),
        Milestone.WEEK_5: Window(dates.one_week, dates.one_day),
        Milestone.PROVIDER_ONE_DAY: Window(dates.one_day, dates.unpublish),
        Milestone.POST_UNPUBLISH_ONE_DAY: Window(dates.one_day, dates.unpublish),
    }[milestone]


def window_after_end(ended_on: date) -> Window:
    """When the e-mails about the end of a review may be sent: on that day and seven later ones."""
    return Window(ended_on, ended_on + _AFTER_THE_END + timedelta(days=1))


def open_on(day: date, dates: KeyDates) -> tuple[Milestone, ...]:
    """The e-mails whose window holds ``day``, in order."""
    ends = (Milestone.PROVIDER_UNPUBLISHED, Milestone.POST_UNPUBLISHED)
    return tuple(one for one in Milestone if one not in ends and window(one, dates).holds(day))
