"""The dates of one annual review: pure arithmetic on calendar days, all of them in UTC.

Once they are stored with a plan the stored dates govern, since an administrator may move them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

# Milestones are sent for entries that had been on the list for four weeks when the review opened.
OPENS_BEFORE_START = timedelta(days=28)
_SETTLED_BEFORE_START = timedelta(days=56)

# Days from the start of the review, in the order in which they have to follow each other.
_ANNUAL_REVIEW: Mapping[str, int] = {
    "POST_ONE_MONTH": -28,
    "POST_ONE_WEEK": -7,
    "POST_ONE_DAY": -1,
    "START": 0,
}
_UNPUBLISHED: Mapping[str, int] = {
    "PROVIDER_FIVE_WEEKS": 7,
    "PROVIDER_FOUR_WEEKS": 14,
    "PROVIDER_THREE_WEEKS": 21,
    "PROVIDER_TWO_WEEKS": 28,
    "ONE_WEEK": 35,
    "ONE_DAY": 41,
    "UNPUBLISH": 42,
}
_GROUPS: Mapping[str, Mapping[str, int]] = {
    "annualReview": _ANNUAL_REVIEW,
    "unpublished": _UNPUBLISHED,
}
KeyDatesJson = dict[str, dict[str, str]]


class KeyDatesInvalid(ValueError):
    """Stored key dates are missing, can't be read, or are not in order; says which."""


@dataclass(frozen=True, slots=True)
class KeyDates:
    """Every date of a review, each later than the one before it."""

    post_one_month: date
    post_one_week: date
    post_one_day: date
    start: date
    provider_five_weeks: date
    provider_four_weeks: date
    provider_three_weeks: date
    provider_two_weeks: date
    one_week: date
    one_day: date
    unpublish: date

    def __post_init__(self) -> None:
        named = [(field.name, getattr(self, field.name)) for field in fields(self)]
        for (earlier, first), (later, second) in pairwise(named):
            if first >= second:
                raise KeyDatesInvalid(
                    f"{later.upper()} ({second}) is not after {earlier.upper()} ({first})"
                )

    @classmethod
    def from_start(cls, start: date) -> KeyDates:
        """The dates of a review that starts on ``start``, as nobody has moved them."""
        offsets = {**_ANNUAL_REVIEW, **_UNPUBLISHED}
        return cls(**{name.lower(): start + timedelta(days=days) for name, days in offsets.items()})

    @classmethod
    def from_json(cls, stored: object) -> KeyDates:
        """The dates that are stored with a plan; raises KeyDatesInvalid."""
        if not isinstance(stored, Mapping):
            raise KeyDatesInvalid("there are no key dates")
        found: dict[str, date] = {}
        for group, names in _GROUPS.items():
            members = stored.get(group)
            for name in names:
                value = members.get(name) if isinstance(members, Mapping) else None
                found[name.lower()] = _day(name, value)
        return cls(**found)

    def as_json(self) -> KeyDatesJson:
        """As they are stored: each day's midnight in UTC, in ISO 8601."""
        return {
            group: {name: f"{getattr(self, name.lower())}T00:00:00.000Z" for name in names}
            for group, names in _GROUPS.items()
        }

    @property
    def published_before(self) -> date:
        """An entry takes part if it was last published before this day."""
        return published_before(self.start)


def published_before(start: date) -> date:
    """The day before which an entry has to be published for a review that starts on ``start``.

    Anchored to the start and not to today, so that every run gives the same answer.
    """
    return start - _SETTLED_BEFORE_START


def a_year_later(day: date) -> date:
    """The same day next year; 28 February for the 29th."""
    try:
        return day.replace(year=day.year + 1)
    except ValueError:
        return day.replace(year=day.year + 1, day=28)


def midnight(day: date) -> datetime:
    """The first moment of a day, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _day(name: str, value: object) -> date:
    if not isinstance(value, str):
        raise KeyDatesInvalid(f"{name} is missing")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise KeyDatesInvalid(f"{name} is not an ISO 8601 date") from None
    return moment.date() if moment.tzinfo is None else moment.astimezone(UTC).date()
