"""A preview of the annual review says what the runs then do, and does nothing itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from tests.fakes.review_lists import MILESTONE_OF, ReviewWorld, day, notify_client
from tests.fakes.review_notify import PickyNotify
from worker.clients.domains import DomainDatabase
from worker.jobs.annual_review_preview import preview_batch, preview_worker
from worker.jobs.preview import Preview, PreviewDay

_MAIL = re.compile(r"(M[0-9.]+) \w+ to ([0-9]+) ")


@pytest.fixture
def notify() -> Iterator[PickyNotify]:
    with PickyNotify() as service:
        yield service


@pytest.fixture
def world(domains_url: str, notify: PickyNotify) -> ReviewWorld:
    return ReviewWorld(domains_url, notify_client(notify.url))


def preview(world: ReviewWorld, which: str, first: str, days: int) -> tuple[PreviewDay, ...]:
    function = preview_batch if which == "batch" else preview_worker
    database = DomainDatabase("lists", lambda: world.url)
    return Preview(database, function).of(day(first), days)


def test_the_preview_of_a_review_is_what_its_runs_do(
    world: ReviewWorld, notify: PickyNotify
) -> None:
    a = world.add_list()
    for name in ("p1", "p2", "p3"):
        world.add_item(a, name)
    new = world.add_list(start=None, kind="funeralDirectors", country="Italy")
    world.add_item(new, "q1", published=["2025-05-20T00:00"])
    silent = world.add_item(a, "p4", email=None)
    first = date(2026, 4, 28)
    foreseen = preview(world, "worker", str(first), 80)
    planned = preview(world, "batch", str(first), 80)

    did: list[Counter[str]] = []
    for number in range(80):
        today = first + timedelta(days=number)
        seen = len(notify.sent)
        world.batch(today)
        world.worker(today)
        did.append(Counter(MILESTONE_OF[one.template_id].value for one in notify.sent[seen:]))

    assert [_mails(one) for one in foreseen] == did
    assert sum(sum(one.values()) for one in did) > 40
    texts = {line.action for one in foreseen for line in one.lines}
    assert {
        "start the review of 3 entries",
        "take 3 entries off the list and end the review",
    } <= texts
    plans = [(one.run_date, line.action) for one in planned for line in one.lines]
    assert (day("05-04"), "plan a review of 3 entries") in plans
    assert (first, "first start date 2026-05-27") in plans
    assert any(str(silent) in line.subject for one in planned for line in one.lines)


def _mails(foreseen: PreviewDay) -> Counter[str]:
    counts: Counter[str] = Counter()
    for line in foreseen.lines:
        found = _MAIL.match(line.action)
        if found:
            counts[found[1]] += int(found[2])
    return counts


def test_a_preview_writes_and_sends_nothing_and_shows_no_address(
    world: ReviewWorld, notify: PickyNotify
) -> None:
    a = world.add_list()
    world.add_item(a, "p1")
    before = world.rows('SELECT * FROM "List"'), world.rows('SELECT * FROM "ListItem"')

    seen = preview(world, "worker", "05-01", 90)

    assert (world.rows('SELECT * FROM "List"'), world.rows('SELECT * FROM "ListItem"')) == before
    assert world.outbox() == []
    assert notify.received == []
    assert any(one.lines for one in seen)
    assert "@" not in str(seen)


def test_what_cannot_be_handled_and_what_is_left_over_is_said(
    world: ReviewWorld, notify: PickyNotify
) -> None:
    broken = world.add_list(data={"currentAnnualReview": {"reference": "no uuid"}})
    a = world.add_list()
    world.add_item(a, "p1")
    late = world.add_item(a, "p2")
    world.batch(day("05-04"))
    world.worker(day("06-01"))
    notify.refused = {"p1", "p2", "post1", "post2"}
    world.worker(day("07-13"))
    world.answer(late, "2026-07-13T15:00")

    (today,) = preview(world, "worker", "07-14", 1)

    assert [(line.subject, line.action) for line in today.lines] == [
        (f"list {broken} (lawyers, France)", "nothing"),
        (f"list {a} (lawyers, France)", "M9 unpublished to 1 provider"),
        (f"list {a} (lawyers, France)", "M10 unpublished to 2 of the staff"),
    ]
