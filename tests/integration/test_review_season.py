"""Ninety days of reviews at random: whatever happens, nobody is wronged and nothing is done twice.

A failure names its seed; put it into SEEDS to see it again.
"""

from __future__ import annotations

import random
from collections import Counter

import psycopg
import pytest

from tests.fakes.review_lists import ReviewWorld
from tests.fakes.review_year import DAYS, STARTS, MemoryNotify, Season
from worker.lists.key_dates import a_year_later
from worker.lists.milestones import Milestone, window, window_after_end

SEEDS = (1,)
_LISTS = 6
_AT_THE_END = (Milestone.PROVIDER_UNPUBLISHED, Milestone.POST_UNPUBLISHED)


@pytest.mark.parametrize("seed", [*SEEDS, pytest.param(random.randrange(10**6), id="fresh")])
def test_a_season_of_reviews_keeps_every_promise(domains_url: str, seed: int) -> None:
    print(f"seed {seed}")
    luck = random.Random(seed)
    notify = MemoryNotify(luck)
    with psycopg.connect(domains_url, autocommit=True) as connection:
        connection.execute("SET search_path TO lists, public")
        world = ReviewWorld(domains_url, notify, shared=connection)
        season = Season(world, luck, notify)
        season.fill(_LISTS)
        season.live()

        assert notify.taken
        nothing_was_sent_outside_its_window(season)
        nobody_got_an_email_twice(season)
        every_review_ended_once(season)
        every_entry_started_and_ended_once(season)
        nobody_who_answered_came_off(season)
        what_is_recorded_was_sent(season)


def nothing_was_sent_outside_its_window(season: Season) -> None:
    for sent in season.notify.taken.values():
        if sent.milestone in _AT_THE_END:
            list_id = int(sent.to.partition("-")[0].removeprefix("l"))
            opened = window_after_end(season.ended_on[list_id])
        else:
            assert sent.dates is not None
            opened = window(sent.milestone, sent.dates)
        assert opened.holds(sent.run_date), sent


def nobody_got_an_email_twice(season: Season) -> None:
    assert season.notify.twice == []
    counts = Counter((sent.to, sent.milestone) for sent in season.notify.taken.values())
    assert [one for one, count in counts.items() if count > 1] == []


def every_review_ended_once(season: Season) -> None:
    for list_id in season.lists:
        audits = season.world.audits(list_id)
        assert audits.count("startAnnualReview") == 1
        assert audits.count("endAnnualReview") == 1
        assert len(audits) == len(set(audits))
        plan = season.plans[list_id]
        ((stored, flag, last, following),) = season.world.rows(
            'SELECT "jsonData" -> \'currentAnnualReview\', "isAnnualReview",'
            ' "lastAnnualReviewStartDate", "nextAnnualReviewStartDate" FROM "List" WHERE id = %s',
            list_id,
        )
        start = plan.dates.start
        assert (stored, flag, last, following) == (None, False, start, a_year_later(start))


def every_entry_started_and_ended_once(season: Season) -> None:
    for item, list_id in season.list_of.items():
        planned = item in season.plans[list_id].eligible
        counts = {
            kind: len(season.world.events(item, kind))
            for kind in ("ANNUAL_REVIEW_STARTED", "ANNUAL_REVIEW_OVERDUE", "UNPUBLISHED")
        }
        status, is_published, in_review = season.world.item(item)
        assert counts["ANNUAL_REVIEW_STARTED"] == planned
        overdue = planned and item not in season.answered | season.touched
        assert counts["ANNUAL_REVIEW_OVERDUE"] == overdue
        if overdue:
            assert (status, is_published, in_review) == ("ANNUAL_REVIEW_OVERDUE", False, False)
            assert counts["UNPUBLISHED"] == 1


def nobody_who_answered_came_off(season: Season) -> None:
    for item in season.answered - season.touched:
        _, is_published, _ = season.world.item(item)
        assert is_published
        assert season.world.events(item, "ANNUAL_REVIEW_OVERDUE") == []


def what_is_recorded_was_sent(season: Season) -> None:
    """Each recorded e-mail is one that Notify has, and none is recorded twice."""
    rows = season.world.rows(
        "SELECT \"jsonData\" -> 'response' ->> 'id' FROM \"Event\" WHERE type = 'REMINDER'"
        " UNION ALL SELECT \"jsonData\" -> 'response' ->> 'id' FROM \"Audit\""
        " WHERE \"auditEvent\" = 'REMINDER'"
    )
    recorded = [str(reference) for (reference,) in rows]
    assert len(recorded) == len(set(recorded))
    assert set(recorded) <= set(season.notify.taken)


def test_the_season_is_long_enough_for_every_review() -> None:
    """The review with the last start that a season draws ends within its days."""
    assert STARTS[1] + 42 <= DAYS
