"""What a review records, what its e-mails say, and lists that are out of the ordinary."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from tests.fakes.review_lists import LETTERS, ReviewWorld, day, notify_client
from tests.fakes.review_notify import PickyNotify
from tests.fakes.review_scene import (
    ALL,
    IN_REVIEW,
    OVERDUE,
    POST,
    PROVIDERS,
    Scene,
    audits,
    confirms,
    items,
    run,
    scene_of,
)
from worker.lists.key_dates import KeyDates
from worker.lists.plan import Plan
from worker.sqlfiles import statement

STARTED = run("06-01", M4=POST, M5=ALL)


@pytest.fixture
def scene(domains_url: str) -> Iterator[Scene]:
    with PickyNotify() as service:
        yield scene_of(domains_url, service)


def test_w9_what_is_recorded_about_the_start(scene: Scene) -> None:
    scene.play(STARTED)
    world, item = scene.world, scene.items["p1"]
    plan = Plan.from_json(world.plan(scene.list_id))
    assert plan is not None
    reference = str(plan.reference)

    ((_, started),) = world.events(item, "ANNUAL_REVIEW_STARTED")
    assert started == {"eventName": "startAnnualReview", "itemId": item, "reference": reference}
    ((kind, reminder),) = world.events(item, "REMINDER")
    assert kind == "started"
    assert isinstance(reminder, dict)
    assert (reminder["eventName"], reminder["reference"]) == ("reminder", reference)
    sent = next(email for email in scene.notify.sent if email.to == "p1@example.com")
    assert reminder["response"] == {"id": sent.id, "template": sent.template_id}
    assert world.value('SELECT "isAnnualReview" FROM "List"') is True
    audit = world.value('SELECT "jsonData" FROM "Audit" WHERE "auditEvent" = \'REMINDER\'')
    assert isinstance(audit, dict)
    assert audit["itemId"] == scene.list_id
    assert audit["annualReviewRef"] == audit["reference"] == reference
    assert audit["eventName"] == "reminder"


def test_what_providers_and_staff_read(scene: Scene) -> None:
    scene.play(STARTED)
    by_name = {email.to.partition("@")[0]: email for email in scene.notify.sent}
    reference = scene.world.value(
        'SELECT reference FROM "ListItem" WHERE id = %s', scene.items["p1"]
    )
    assert by_name["p1"].personalisation == {
        "contactName": "P1",
        "typePlural": "lawyers",
        "country": "France",
        "deletionDate": "13 July 2026",
        "changeLink": f"https://{LETTERS.service_domain}/annual-review/confirm/{reference}",
    }
    assert by_name["post1"].personalisation == {
        "typePlural": "lawyers",
        "typePluralCapitalised": "Lawyers",
        "country": "France",
        "annualReviewDate": "01 Jun 2026",
    }


def test_w15_events_of_reminders_say_which_week_it_is(scene: Scene) -> None:
    scene.play(STARTED, run("06-08", M6_1=ALL), run("07-06", M6_5=ALL))
    weekly = [
        data["notes"]
        for kind, data in scene.world.events(scene.items["p2"], "REMINDER")
        if kind == "weeklyUnpublish" and isinstance(data, dict)
    ]
    assert weekly == [
        ["sent reminder for week 1. (5 until unpublish date)"],
        ["sent reminder for week 5. (1 until unpublish date)"],
    ]


def test_w21_staff_are_told_how_many_have_not_answered(scene: Scene) -> None:
    scene.play(
        STARTED,
        confirms("p1", "06-04"),
        confirms("p2", "06-20"),
        run("07-12", M7="p3 p4", M8=POST),
    )
    told = [one.personalisation for one in scene.notify.sent if one.to == "post1@example.com"][-1]
    assert told["numberNotResponded"] == "2"


def test_w23_what_is_stored_when_a_review_has_ended(scene: Scene) -> None:
    world = scene.world
    world.run('UPDATE "List" SET "jsonData" = "jsonData" || \'{"users": [1]}\'')
    scene.play(STARTED, confirms("p1", "06-04"), run("07-13", M9="p2 p3 p4", M10=POST))

    (row,) = world.rows(
        'SELECT "jsonData", "isAnnualReview", "lastAnnualReviewStartDate",'
        ' "nextAnnualReviewStartDate" FROM "List"'
    )
    assert row == ({"users": [1]}, False, date(2026, 6, 1), date(2027, 6, 1))
    for name, count in (("p1", 0), ("p2", 1)):
        for kind in ("ANNUAL_REVIEW_OVERDUE", "UNPUBLISHED"):
            events = world.events(scene.items[name], kind)
            assert len(events) == count
            assert all(isinstance(data, dict) and data["reference"] for _, data in events)


def test_w27_without_staff_nothing_is_recorded_and_it_is_tried_again(domains_url: str) -> None:
    with PickyNotify() as service:
        scene = scene_of(domains_url, service, users=())
        scene.play(run("05-04"), audits())
        user = scene.world.value("INSERT INTO \"User\" (email) VALUES ('post3@x.org') RETURNING id")
        scene.world.run('INSERT INTO "_ListToUser" VALUES (%s, %s)', scene.list_id, user)
        scene.play(run("05-06", M1="post3"), audits("oneMonthBeforeStart"))


def test_w30_dates_that_were_moved_govern(scene: Scene) -> None:
    scene.play(run("05-04", M1=POST))
    plan = Plan.from_json(scene.world.plan(scene.list_id))
    assert plan is not None
    moved = Plan(plan.reference, plan.eligible, KeyDates.from_start(day("06-08")))
    scene.world.run(
        'UPDATE "List" SET "jsonData" = jsonb_set("jsonData", \'{currentAnnualReview}\', %s),'
        ' "nextAnnualReviewStartDate" = %s',
        Jsonb(moved.as_json()),
        day("06-08"),
    )
    scene.play(
        run("05-25"),
        run("06-01", M2=POST),
        run("06-07", M3=POST),
        run("06-08", M4=POST, M5=ALL),
        run("07-19", M7=ALL, M8=POST),
        run("07-20", M9=ALL, M10=POST),
    )
    assert scene.world.value('SELECT "nextAnnualReviewStartDate" FROM "List"') == date(2027, 6, 8)


def test_w32_a_plan_out_of_order_is_skipped_and_the_others_go_on(scene: Scene) -> None:
    broken = scene.world.add_list(users=("post9@example.com",))
    plan = Plan.from_json(scene.world.plan(scene.list_id))
    assert plan is not None
    stored = plan.as_json()
    dates = plan.dates.as_json()
    dates["unpublished"]["UNPUBLISH"] = "2026-06-02T00:00:00.000Z"
    scene.world.run(
        'UPDATE "List" SET "jsonData" = %s WHERE id = %s',
        Jsonb({"currentAnnualReview": {**stored, "keyDates": dates}}),
        broken,
    )

    report = scene.world.worker(day("05-04"))

    assert scene.new_mails() == {"M1": POST.split()}
    assert [(one.list_id, one.code) for one in report.skipped] == [(broken, "plan_invalid")]


def test_a_type_of_list_without_words_is_skipped(scene: Scene) -> None:
    strange = scene.world.add_list(kind="beekeepers")
    scene.world.batch(day("05-04"))

    report = scene.world.worker(day("06-01"))

    assert [(one.list_id, one.code) for one in report.skipped] == [(strange, "list_type_unknown")]
    assert scene.new_mails() == {"M4": POST.split(), "M5": list(PROVIDERS)}


def test_suppressed_addresses_are_not_recorded_as_written_to(scene: Scene) -> None:
    suppressing = notify_client(scene.notify.url, allowed_domains=("example.org",))
    report = scene.world.worker(day("06-01"), mailer=suppressing)

    assert report.mails.suppressed == 6
    assert scene.new_mails() == {}
    scene.play(audits(), items(p1=IN_REVIEW))
    assert scene.world.events(scene.items["p1"], "REMINDER") == []


def test_an_item_with_upstreams_start_event_is_reviewed_but_not_started_again(
    scene: Scene,
) -> None:
    """A review that was begun by the earlier job goes on; its events have no reference."""
    world, item = scene.world, scene.items["p1"]
    world.run(
        'UPDATE "ListItem" SET "isAnnualReview" = true, status = \'OUT_WITH_PROVIDER\''
        " WHERE id = %s",
        item,
    )
    world.event(item, "ANNUAL_REVIEW_STARTED", "2026-06-01T11:00")
    scene.play(run("06-02", M4=POST, M5=ALL), run("07-13", M9=ALL, M10=POST))
    assert len(world.events(item, "ANNUAL_REVIEW_STARTED")) == 1
    assert world.item(item) == OVERDUE


def test_old_emails_and_their_addresses_are_forgotten(scene: Scene) -> None:
    scene.play(run("05-04", M1=POST), STARTED)
    assert len(scene.world.outbox()) == 8
    report = scene.world.worker(day("2026-09-01"))
    assert report.forgotten == 2
    kept = {milestone for milestone, *_ in scene.world.outbox()}
    assert "M1" not in kept
    assert "M4" in kept


def test_only_the_lists_of_the_message_are_handled(scene: Scene, domains_url: str) -> None:
    other = ReviewWorld(domains_url)
    b = other.add_list(users=("post7@example.com",))
    other.batch(day("05-04"))
    scene.world.worker(day("05-04"), only=[b])
    assert scene.new_mails() == {"M1": ["post7"]}


def test_tables_of_another_service_need_only_the_outbox_beside_them(scene: Scene) -> None:
    """Their schema is the service's own; its owner runs one file for the worker."""
    world = scene.world
    for kind, names in (
        ("TABLE", ("Country", "List", "ListItem", "User", "_ListToUser", "Event", "Audit")),
        ("VIEW", ("FirstPublishedOnList",)),
        ("TYPE", ("Status", "ListItemEvent", "AuditEvent")),
        ("TYPE", ("AnnualReviewPostEmailType", "AnnualReviewProviderEmailType")),
    ):
        with world.connection() as connection:
            for name in names:
                move = sql.SQL("ALTER {} lists.{} SET SCHEMA public")
                connection.execute(move.format(sql.SQL(kind), sql.Identifier(name)))
    world.run("DROP SCHEMA lists CASCADE")
    with world.connection() as connection:
        connection.execute(statement("worker.lists", "create_outbox"))

    scene.play(STARTED, run("07-13", M9=ALL, M10=POST), items(p1=OVERDUE))
