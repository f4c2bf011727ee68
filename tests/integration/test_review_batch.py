"""The batch on real tables: which lists enter review, with which entries, and what is stored."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import psycopg
import pytest

from tests.fakes.review_lists import START, ReviewWorld, day
from worker import logs
from worker.errors import TransientError
from worker.lists.key_dates import KeyDates
from worker.lists.plan import Plan
from worker.settings import RuntimeSettings

PUBLISHED_BEFORE = {"p1", "p2", "p3", "p4"}


@pytest.fixture
def world(domains_url: str) -> ReviewWorld:
    return ReviewWorld(domains_url)


@dataclass(frozen=True)
class ListA:
    id: int
    items: Mapping[str, int]

    def names(self, ids: tuple[int, ...]) -> set[str]:
        return {name for name, item in self.items.items() if item in ids}


@pytest.fixture
def list_a(world: ReviewWorld) -> ListA:
    a = world.add_list(data={"users": [1], "relatedLinks": ["https://example.com"]})
    items = {name: world.add_item(a, name) for name in ("p1", "p2", "p3")}
    items["p4"] = world.add_item(a, "p4", published=["2026-04-05T23:59:59"])
    items["p5"] = world.add_item(a, "p5", published=["2026-04-06T00:00:00"])
    items["p6"] = world.add_item(a, "p6", is_published=False, status="UNPUBLISHED")
    items["p7"] = world.add_item(a, "p7", published=["2024-05-01T00:00", "2026-05-01T12:00"])
    return ListA(a, items)


def plan_of(world: ReviewWorld, list_a: ListA) -> Plan:
    plan = Plan.from_json(world.plan(list_a.id))
    assert plan is not None
    return plan


def start_of(world: ReviewWorld, list_id: int) -> object:
    return world.value('SELECT "nextAnnualReviewStartDate" FROM "List" WHERE id = %s', list_id)


def test_b1_a_list_does_not_enter_29_days_before_its_start(
    world: ReviewWorld, list_a: ListA
) -> None:
    assert world.batch(day("05-03")).planned == []
    assert world.plan(list_a.id) is None


@pytest.mark.parametrize("on", ["05-04", "05-10"], ids=["B2", "B5"])
def test_a_list_enters_28_days_before_its_start_or_on_the_next_run(
    world: ReviewWorld, list_a: ListA, on: str
) -> None:
    report = world.batch(day(on))

    plan = plan_of(world, list_a)
    assert report.planned == [list_a.id]
    assert list_a.names(plan.eligible) == PUBLISHED_BEFORE
    assert plan.reference.version == 4
    assert plan.dates == KeyDates.from_start(START)
    assert world.audits(list_a.id) == ["startAnnualReview"]
    stored = world.value('SELECT "jsonData" -> \'currentAnnualReview\' FROM "Audit"')
    assert stored == world.plan(list_a.id)


def test_b3_a_second_run_writes_nothing(world: ReviewWorld, list_a: ListA) -> None:
    world.batch(day("05-04"))
    before = world.rows('SELECT * FROM "List"')
    report = world.batch(day("05-05"))

    assert world.rows('SELECT * FROM "List"') == before
    assert (report.planned, report.changed) == ([], [])
    assert world.audits(list_a.id) == ["startAnnualReview"]


def test_b4_an_entry_taken_off_leaves_the_plan_and_nothing_else_changes(
    world: ReviewWorld, list_a: ListA
) -> None:
    world.batch(day("05-04"))
    before = plan_of(world, list_a)
    world.take_off(list_a.items["p3"], "2026-05-05T10:00")

    report = world.batch(day("05-06"))

    after = plan_of(world, list_a)
    assert list_a.names(after.eligible) == PUBLISHED_BEFORE - {"p3"}
    assert (after.reference, after.dates) == (before.reference, before.dates)
    assert report.changed == [list_a.id]


def test_b6_the_plan_is_frozen_once_the_review_has_started(
    world: ReviewWorld, list_a: ListA
) -> None:
    world.batch(day("05-04"))
    before = world.plan(list_a.id)
    world.run(
        'UPDATE "ListItem" SET "isAnnualReview" = true, status = \'OUT_WITH_PROVIDER\''
        " WHERE id = ANY(%s)",
        [list_a.items[name] for name in PUBLISHED_BEFORE],
    )
    for on in ("06-01", "06-02", "07-13", "08-30"):
        assert world.batch(day(on)).changed == []
    assert world.plan(list_a.id) == before


def test_the_plan_stays_frozen_when_the_start_is_moved_after_it_has_happened(
    world: ReviewWorld, list_a: ListA
) -> None:
    world.batch(day("05-04"))
    plan = plan_of(world, list_a)
    for name in PUBLISHED_BEFORE:
        item = list_a.items[name]
        world.run('UPDATE "ListItem" SET "isAnnualReview" = true WHERE id = %s', item)
        event = {"reference": str(plan.reference)}
        world.event(item, "ANNUAL_REVIEW_STARTED", "2026-06-01T11:00", event)
    moved = Plan(plan.reference, plan.eligible, KeyDates.from_start(day("06-08")))
    world.run(
        'UPDATE "List" SET "jsonData" = jsonb_set("jsonData", \'{currentAnnualReview}\', %s),'
        ' "nextAnnualReviewStartDate" = %s',
        psycopg.types.json.Jsonb(moved.as_json()),
        day("06-08"),
    )

    world.batch(day("06-03"))

    assert plan_of(world, list_a) == moved


@pytest.mark.parametrize(
    ("first_published", "start"),
    [("2025-09-10T15:30", "2026-09-10"), ("2024-02-29T23:59", "2026-06-02")],
    ids=["B7", "B8"],
)
def test_a_list_gets_its_first_start_date(
    world: ReviewWorld, first_published: str, start: str
) -> None:
    new = world.add_list(start=None)
    world.add_item(new, published=["2026-04-01T00:00", first_published])

    report = world.batch(day("05-04"))

    assert start_of(world, new) == date.fromisoformat(start)
    assert report.dated == [new]
    assert world.plan(new) is None


def test_b9_a_list_that_was_never_published_gets_no_date(world: ReviewWorld) -> None:
    new = world.add_list(start=None)
    world.add_item(new, published=[], is_published=False, status="NEW")
    world.batch(day("05-04"))
    assert start_of(world, new) is None


@pytest.mark.usefixtures("own_logging")
def test_b10_one_list_that_cannot_be_read_does_not_hold_up_the_others(
    world: ReviewWorld, list_a: ListA, capsys: pytest.CaptureFixture[str]
) -> None:
    b = world.add_list()
    item = world.add_item(b, "q1")
    # A real fault of the database, for the entries of list A only.
    world.run('ALTER TABLE "ListItem" RENAME TO stored_items')
    world.run(
        'CREATE VIEW "ListItem" AS SELECT * FROM stored_items'
        f' WHERE "listId" <> {list_a.id} OR 1 / ("listId" - {list_a.id}) = 0'
    )

    logs.configure(RuntimeSettings(log_format="json"))

    with pytest.raises(TransientError) as raised:
        world.batch(day("05-04"))

    assert raised.value.code == "review_lists_failed"
    assert raised.value.detail == f"list {list_a.id}: list_items_unreadable"
    planned = Plan.from_json(world.plan(b))
    assert planned is not None
    assert planned.eligible == (item,)
    assert world.plan(list_a.id) is None
    assert (
        f"Unable to retrieve List Items for Lists {list_a.id} division" in capsys.readouterr().out
    )


def test_b11_a_list_without_eligible_entries_gets_a_plan_all_the_same(
    world: ReviewWorld, list_a: ListA
) -> None:
    empty = world.add_list()
    world.add_item(empty, "n1", is_published=False, status="NEW", published=[])

    report = world.batch(day("05-04"))

    assert report.planned == [list_a.id, empty]
    plan = Plan.from_json(world.plan(empty))
    assert plan is not None
    assert plan.eligible == ()


def test_b12_other_keys_of_the_list_stay(world: ReviewWorld, list_a: ListA) -> None:
    world.batch(day("05-04"))
    kept = world.value('SELECT "jsonData" - %s FROM "List"', "currentAnnualReview")
    assert kept == {"users": [1], "relatedLinks": ["https://example.com"]}


def test_b12_an_edit_that_is_under_way_is_not_lost(world: ReviewWorld, list_a: ListA) -> None:
    """The dashboard adds a user while the batch runs: the batch waits, then keeps it."""
    with world.connection() as dashboard:
        dashboard.execute(
            'UPDATE "List" SET "jsonData" = jsonb_set("jsonData", \'{users}\', \'[1, 2]\')'
        )
        batch = threading.Thread(target=world.batch, args=(day("05-04"),))
        batch.start()
        with world.connection() as looking:
            waiting = None
            while not waiting and batch.is_alive():
                waiting = looking.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                    " AND datname = current_database()"
                ).fetchone()
                looking.rollback()
        assert waiting
        dashboard.commit()
    batch.join(40)
    assert world.value('SELECT "jsonData" -> \'users\' FROM "List"') == [1, 2]
    assert world.plan(list_a.id) is not None


def test_b13_a_start_that_has_passed_is_moved_so_that_everybody_gets_notice(
    world: ReviewWorld, list_a: ListA
) -> None:
    report = world.batch(day("06-11"))

    plan = plan_of(world, list_a)
    assert plan.dates == KeyDates.from_start(day("07-09"))
    assert start_of(world, list_a.id) == day("07-09")
    assert report.moved == [list_a.id]
    note = world.value('SELECT "jsonData" ->> \'note\' FROM "Audit"')
    assert note == "the start date 2026-06-01 had passed and was moved to 2026-07-09"
    # The later start makes p5, p7 too fresh still; the rule is anchored to the start in force.
    assert list_a.names(plan.eligible) == PUBLISHED_BEFORE | {"p5", "p7"}


def test_entries_nobody_can_write_to_are_left_out_and_reported(world: ReviewWorld) -> None:
    a = world.add_list()
    good = world.add_item(a, "p1")
    blocked = world.add_item(a, "p2", is_blocked=True)
    silent = world.add_item(a, "p3", email=None)
    blank = world.add_item(a, "p4", email="   ")

    report = world.batch(day("05-04"))

    plan = Plan.from_json(world.plan(a))
    assert plan is not None
    assert plan.eligible == (good,)
    assert report.without_address == [blocked, silent, blank]


def test_an_entry_that_is_published_without_an_event_takes_part(world: ReviewWorld) -> None:
    a = world.add_list()
    item = world.add_item(a, "p1", published=[])
    world.batch(day("05-04"))
    plan = Plan.from_json(world.plan(a))
    assert plan is not None
    assert plan.eligible == (item,)


def test_a_run_for_some_lists_leaves_the_others_alone(world: ReviewWorld, list_a: ListA) -> None:
    b = world.add_list()
    world.batch(day("05-04"), only=[b])
    assert world.plan(list_a.id) is None
    assert world.plan(b) is not None


def test_a_plan_that_cannot_be_read_is_skipped_and_the_others_are_handled(
    world: ReviewWorld, list_a: ListA
) -> None:
    broken = world.add_list(data={"currentAnnualReview": {"reference": "no uuid"}})

    report = world.batch(day("05-04"))

    assert [(one.list_id, one.code) for one in report.skipped] == [(broken, "plan_invalid")]
    assert report.planned == [list_a.id]
    assert world.plan(broken) == {"reference": "no uuid"}
