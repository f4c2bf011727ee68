"""The calendar of the annual review: worked examples, and what holds for any start date."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.lists import wording
from worker.lists.key_dates import KeyDates, KeyDatesInvalid, a_year_later
from worker.lists.milestones import (
    BEFORE_START,
    WEEKLY,
    Milestone,
    open_on,
    types_from,
    window,
    window_after_end,
)

starts = st.dates(date(2000, 1, 1), date(2100, 12, 31))


@pytest.mark.parametrize(
    "dates",
    [
        "22-05-01 22-04-03 04-24 04-30 05-08 05-15 05-22 05-29 06-05 06-11 22-06-12",
        "26-06-01 26-05-04 05-25 05-31 06-08 06-15 06-22 06-29 07-06 07-12 26-07-13",
        "24-02-29 24-02-01 02-22 02-28 03-07 03-14 03-21 03-28 04-04 04-10 24-04-11",
    ],
)
def test_key_dates_of_a_start(dates: str) -> None:
    year = dates[:2]
    full = [f"20{one}" if len(one) == 8 else f"20{year}-{one}" for one in dates.split()]
    start, *others = map(date.fromisoformat, full)
    found = KeyDates.from_start(start)
    assert [
        found.post_one_month,
        found.post_one_week,
        found.post_one_day,
        found.provider_five_weeks,
        found.provider_four_weeks,
        found.provider_three_weeks,
        found.provider_two_weeks,
        found.one_week,
        found.one_day,
        found.unpublish,
    ] == others


@given(starts)
def test_stored_dates_are_read_as_they_were_written(start: date) -> None:
    dates = KeyDates.from_start(start)
    assert KeyDates.from_json(dates.as_json()) == dates


def test_stored_dates_are_midnights_in_utc() -> None:
    stored = KeyDates.from_start(date(2026, 6, 1)).as_json()
    assert stored["annualReview"]["START"] == "2026-06-01T00:00:00.000Z"
    assert stored["unpublished"]["UNPUBLISH"] == "2026-07-13T00:00:00.000Z"


@pytest.mark.parametrize(
    "written", ["2026-06-01", "2026-06-01T00:00:00Z", "2026-06-01T01:00:00+01:00"]
)
def test_a_date_counts_as_its_day_in_utc_however_it_is_written(written: str) -> None:
    stored = KeyDates.from_start(date(2026, 6, 1)).as_json()
    stored["annualReview"]["START"] = written
    assert KeyDates.from_json(stored).start == date(2026, 6, 1)


@pytest.mark.parametrize(
    ("group", "name", "value", "says"),
    [
        ("annualReview", "START", "2026-07-01T00:00:00Z", "PROVIDER_FIVE_WEEKS"),
        ("unpublished", "ONE_DAY", "2026-07-13T00:00:00Z", "UNPUBLISH"),
        ("unpublished", "ONE_WEEK", "soon", "ONE_WEEK is not"),
        ("annualReview", "POST_ONE_DAY", "", "POST_ONE_DAY is not"),
    ],
)
def test_dates_out_of_order_or_unreadable_are_refused_by_name(
    group: str, name: str, value: str, says: str
) -> None:
    stored = KeyDates.from_start(date(2026, 6, 1)).as_json()
    stored[group][name] = value
    with pytest.raises(KeyDatesInvalid, match=says):
        KeyDates.from_json(stored)


@pytest.mark.parametrize("stored", [None, [], {}, {"annualReview": "no"}])
def test_missing_dates_are_refused(stored: object) -> None:
    with pytest.raises(KeyDatesInvalid):
        KeyDates.from_json(stored)


@pytest.mark.parametrize(
    ("first", "last", "milestone"),
    [
        ("2023-06-23", "2023-06-23", None),
        ("2023-06-24", "2023-07-14", Milestone.POST_ONE_MONTH),
        ("2023-07-15", "2023-07-20", Milestone.POST_ONE_WEEK),
        ("2023-07-21", "2023-07-21", Milestone.POST_ONE_DAY),
        ("2023-07-22", "2023-09-01", Milestone.POST_STARTED),
    ],
)
def test_the_post_email_of_each_day(first: str, last: str, milestone: Milestone | None) -> None:
    dates = KeyDates.from_start(date(2023, 7, 22))
    day = date.fromisoformat(first)
    while day <= date.fromisoformat(last):
        found = [one for one in open_on(day, dates) if one.to_post]
        found = [one for one in found if one is not Milestone.POST_UNPUBLISH_ONE_DAY]
        assert found == ([milestone] if milestone else []), day
        day += timedelta(days=1)


@given(starts, st.integers(-70, 70))
def test_no_day_has_two_emails_that_take_over_from_each_other(start: date, offset: int) -> None:
    dates = KeyDates.from_start(start)
    found = open_on(start + timedelta(days=offset), dates)
    assert len([one for one in found if one in BEFORE_START]) <= 1
    reminders = [one for one in found if one in WEEKLY or one is Milestone.PROVIDER_ONE_DAY]
    assert len(reminders) <= 1
    assert bool(found) == (-28 <= offset < 42)


@given(starts)
def test_windows_follow_each_other_without_a_gap(start: date) -> None:
    dates = KeyDates.from_start(start)
    for chain in (
        (*BEFORE_START, Milestone.POST_STARTED),
        (*WEEKLY, Milestone.PROVIDER_ONE_DAY),
    ):
        for earlier, later in pairwise(chain):
            assert window(earlier, dates).closes == window(later, dates).opens
    assert window(Milestone.WEEK_5, dates).closes == dates.one_day


def test_emails_about_the_end_are_tried_for_a_week_after_it() -> None:
    opened = window_after_end(date(2026, 7, 13))
    assert opened.holds(date(2026, 7, 13))
    assert opened.holds(date(2026, 7, 20))
    assert not opened.holds(date(2026, 7, 21))
    assert not opened.holds(date(2026, 7, 12))


def test_a_later_email_makes_an_earlier_one_pointless_but_not_the_reverse() -> None:
    assert types_from(Milestone.POST_ONE_WEEK) >= {"oneWeekBeforeStart", "started"}
    assert "oneMonthBeforeStart" not in types_from(Milestone.POST_ONE_WEEK)
    assert types_from(Milestone.WEEK_3) == {
        "weeklyUnpublish",
        "oneDayBeforeUnpublish",
        "unpublished",
    }


@pytest.mark.parametrize(
    ("day", "later"),
    [("2026-06-01", "2027-06-01"), ("2024-02-29", "2025-02-28"), ("2023-02-28", "2024-02-28")],
)
def test_a_year_later(day: str, later: str) -> None:
    assert a_year_later(date.fromisoformat(day)) == date.fromisoformat(later)


@given(starts)
@example(date(2024, 2, 29))
def test_a_year_later_is_the_same_day_or_the_last_of_february(day: date) -> None:
    later = a_year_later(day)
    assert (later.year, later.month) == (day.year + 1, day.month)
    assert later.day == day.day or (day.month, day.day, later.day) == (2, 29, 28)


def test_entries_have_to_be_published_before_midnight_eight_weeks_before_the_start() -> None:
    assert KeyDates.from_start(date(2026, 6, 1)).published_before == date(2026, 4, 6)


def test_dates_and_links_in_words() -> None:
    assert wording.short_date(date(2026, 6, 1)) == "01 Jun 2026"
    assert wording.long_date(date(2026, 9, 3)) == "3 September 2026"
    assert (
        wording.change_link("lists.example.gov.uk", "ab-1")
        == "https://lists.example.gov.uk/annual-review/confirm/ab-1"
    )
    assert wording.change_link("localhost:3000", "ab-1").startswith("http://localhost:3000/")


@pytest.mark.parametrize(
    ("milestone", "note"),
    [
        (Milestone.WEEK_1, "sent reminder for week 1. (5 until unpublish date)"),
        (Milestone.WEEK_5, "sent reminder for week 5. (1 until unpublish date)"),
        (Milestone.PROVIDER_ONE_DAY, "sent reminder for 1 days until unpublish"),
        (Milestone.PROVIDER_UNPUBLISHED, "sent reminder for 0 days until unpublish"),
    ],
)
def test_what_events_note(milestone: Milestone, note: str) -> None:
    assert wording.notes(milestone) == [note]


def test_each_email_has_the_fields_of_its_template() -> None:
    def post(milestone: Milestone) -> dict[str, str]:
        return wording.for_post(
            milestone,
            list_type="translatorsInterpreters",
            country="Italy",
            start=date(2026, 6, 1),
            not_responded=2,
        )

    def provider(milestone: Milestone) -> dict[str, str]:
        return wording.for_provider(
            milestone,
            list_type="lawyers",
            country="Italy",
            contact_name="Ann",
            link="https://a/b",
            unpublish=date(2026, 7, 13),
        )

    assert post(Milestone.POST_ONE_MONTH) == {
        "typePlural": "translators or interpreters",
        "typePluralCapitalised": "Translators or interpreters",
        "country": "Italy",
        "annualReviewDate": "01 Jun 2026",
    }
    for milestone in (Milestone.POST_UNPUBLISH_ONE_DAY, Milestone.POST_UNPUBLISHED):
        assert post(milestone)["numberNotResponded"] == "2"
        assert "annualReviewDate" not in post(milestone)
    assert provider(Milestone.WEEK_2) == provider(Milestone.PROVIDER_STARTED)
    assert provider(Milestone.WEEK_2)["deletionDate"] == "13 July 2026"
    for milestone in (Milestone.PROVIDER_ONE_DAY, Milestone.PROVIDER_UNPUBLISHED):
        assert set(provider(milestone)) == {"typePlural", "contactName", "country", "changeLink"}


def test_a_day_in_another_zone_is_not_taken_for_the_day_in_utc() -> None:
    stored = KeyDates.from_start(date(2026, 6, 1)).as_json()
    stored["annualReview"]["START"] = datetime(2026, 6, 2, tzinfo=UTC).isoformat()
    assert KeyDates.from_json(stored).start == date(2026, 6, 2)
