"""What goes wrong while a review is sent: Notify, the database, a second run, a stop."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from psycopg.conninfo import make_conninfo

from tests.fakes.review_lists import ReviewWorld, day, notify_client
from tests.fakes.review_notify import PickyNotify
from tests.fakes.review_scene import (
    ALL,
    IN_REVIEW,
    OVERDUE,
    POST,
    PROVIDERS,
    Scene,
    audits,
    blocked,
    confirms,
    edits,
    hidden,
    items,
    notify,
    run,
    run_fails,
    run_stopped_after_the_first,
    scene_of,
    taken_off,
)
from worker.clients.domains import DomainDatabase
from worker.clients.receipt import DeliveryReceipt
from worker.demo.fake_service import LOST_REPLY, Misbehaviour, failing
from worker.demo.notify import DAILY_LIMIT_REACHED, RATE_LIMITED
from worker.errors import DependencyDown, Interrupted, PermanentError, TransientError
from worker.lists import store
from worker.lists.plan import Plan
from worker.lists.sender import Mailer


@pytest.fixture
def scene(domains_url: str) -> Iterator[Scene]:
    with PickyNotify() as service:
        yield scene_of(domains_url, service)


@dataclass
class Between:
    """A mailer that does something right after Notify has taken the e-mail to ``to``."""

    mailer: Mailer
    to: str
    action: Callable[[], None]

    def send_email(
        self,
        template_id: str,
        to: str,
        personalisation: Mapping[str, str],
        *,
        reference: str,
        may_have_been_sent: bool = False,
    ) -> DeliveryReceipt:
        receipt = self.mailer.send_email(
            template_id,
            to,
            personalisation,
            reference=reference,
            may_have_been_sent=may_have_been_sent,
        )
        if to.startswith(self.to):
            self.action()
        return receipt


def twice_at_once(work: Callable[[], object]) -> None:
    """Begin two runs at the same moment; raises what one of them raises."""
    together = threading.Barrier(2)

    def one() -> None:
        together.wait(40)
        work()

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(one), pool.submit(one)]:
            each.result()


def mailer_of(scene: Scene) -> Mailer:
    assert scene.world.mailer is not None
    return scene.world.mailer


@pytest.mark.parametrize("on", ["05-04", "06-01", "06-08", "07-12", "07-13"], ids="W28 {}".format)
def test_two_runs_at_once_send_and_record_everything_once(scene: Scene, on: str) -> None:
    if on > "06-01":
        scene.play(run("06-01", M4=POST, M5=ALL))
    twice_at_once(lambda: scene.world.worker(day(on)))

    sent = Counter((email.to, email.template_id) for email in scene.notify.sent)
    assert set(sent.values()) == {1}
    for name in PROVIDERS:
        started = scene.world.events(scene.items[name], "ANNUAL_REVIEW_STARTED")
        ended = scene.world.events(scene.items[name], "UNPUBLISHED")
        assert (len(started), len(ended)) == (on >= "06-01", on >= "07-13")
    assert scene.world.audits(scene.list_id).count("endAnnualReview") == (on >= "07-13")


def test_two_batches_at_once_store_one_plan(domains_url: str) -> None:
    world = ReviewWorld(domains_url)
    lists = [world.add_list() for _ in range(5)]
    for each in lists:
        world.add_item(each)
    twice_at_once(lambda: world.batch(day("05-04")))

    assert [world.audits(each) for each in lists] == [["startAnnualReview"]] * 5


def test_a_lost_answer_does_not_send_twice(scene: Scene) -> None:
    scene.notify.misbehave(LOST_REPLY)

    scene.play(run("05-04", M1=POST), audits("oneMonthBeforeStart"))

    assert scene.world.outbox() == [
        ("M1", "post1@example.com", "sent", 2),
        ("M1", "post2@example.com", "sent", 1),
    ]


def test_a_rate_limit_is_waited_for(scene: Scene) -> None:
    scene.notify.misbehave(RATE_LIMITED)
    scene.play(run("05-04", M1=POST))
    assert scene.world.pauses == [60.0]


def test_three_tries_and_then_the_next_run(scene: Scene) -> None:
    scene.play(
        notify(fails="p1"),
        run_fails("06-01", M4=POST, M5="p2 p3 p4"),
    )
    assert scene.world.pauses == [1.0, 2.0]
    assert ("M5", "p1@example.com", "pending", 3) in scene.world.outbox()
    scene.play(notify(), run("06-02", M5="p1"))


@pytest.mark.parametrize(
    ("misbehaviour", "code", "requests"),
    [
        (DAILY_LIMIT_REACHED, "review_emails_unsent", 1),
        (failing(403, {"errors": [{"error": "AuthError"}]}), "notify_refused_us", 1),
        (failing(503), "review_emails_unsent", 9 + 6),
    ],
    ids=["daily limit", "our key is refused", "away"],
)
def test_reviews_start_and_end_although_nothing_can_be_sent(
    scene: Scene, misbehaviour: Misbehaviour, code: str, requests: int
) -> None:
    other = scene.world.add_list(users=())
    item = scene.world.add_item(other, "q1")
    scene.world.batch(day("05-04"))
    scene.notify.misbehave_always(misbehaviour)

    scene.play(run_fails("06-01", code))

    assert scene.world.item(item) == IN_REVIEW
    scene.play(items(p1=IN_REVIEW))
    # It is not asked again and again; a second try asks by reference first.
    assert len(scene.notify.received) <= requests
    scene.notify.misbehave_always(None)
    scene.play(run("06-02", M4=POST, M5=f"{ALL} q1"))


def test_the_wait_that_notify_asks_for_reaches_the_message(scene: Scene) -> None:
    scene.notify.misbehave_always(DAILY_LIMIT_REACHED)
    with pytest.raises(TransientError) as raised:
        scene.world.worker(day("05-04"))
    assert raised.value.retry_after_s
    assert raised.value.retry_after_s > 60


def test_a_stop_between_two_of_the_staff_leaves_the_second_for_the_next_run(scene: Scene) -> None:
    run_stopped_after_the_first(scene, "05-04")

    assert scene.new_mails() == {"M1": ["post1"]}
    scene.play(
        audits("oneMonthBeforeStart"),
        run("05-04", M1="post2"),
        run("05-05"),
        audits("oneMonthBeforeStart"),
    )


def test_a_connection_lost_after_sending_sends_nothing_twice(scene: Scene) -> None:
    """The database ends our session when Notify has the e-mail and we have not recorded it."""

    def end_sessions() -> None:
        with scene.world.connection() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    broken = Between(mailer_of(scene), "p3", end_sessions)
    with pytest.raises(DependencyDown):
        scene.world.worker(day("06-01"), mailer=broken)
    assert ("M5", "p3@example.com", "sending", 1) in scene.world.outbox()

    scene.world.worker(day("06-01"))

    assert scene.new_mails() == {"M4": POST.split(), "M5": list(PROVIDERS)}
    assert len(scene.world.events(scene.items["p3"], "REMINDER")) == 1


def test_what_may_be_on_its_way_is_waited_for_before_notify_is_asked(scene: Scene) -> None:
    def stop() -> None:
        raise Interrupted("stopped", "Stopped.")

    with pytest.raises(Interrupted):
        scene.world.worker(day("05-04"), mailer=Between(mailer_of(scene), "post1", stop))
    scene.world.settle_s = 600.0

    scene.world.worker(day("05-04"))

    (waited,) = scene.world.pauses
    assert 500 < waited <= 600
    assert scene.new_mails() == {"M1": POST.split()}


def test_an_answer_while_the_run_sends_is_never_overwritten(scene: Scene) -> None:
    """p4 confirms between the decision of the last day and the e-mails about it."""
    scene.play(run("06-01", M4=POST, M5=ALL))
    answered = Between(
        mailer_of(scene), "p1", lambda: scene.world.answer(scene.items["p4"], "2026-07-12T11:00")
    )
    scene.world.worker(day("07-12"), mailer=answered)
    scene.new_mails()
    scene.play(
        run("07-13", M9="p1 p2 p3", M10=POST),
        items(p3=OVERDUE, p4=("CHECK_ANNUAL_REVIEW", True, True)),
    )


def test_an_answer_that_is_being_written_is_waited_for(scene: Scene) -> None:
    """The provider's transaction holds the entry when the review ends: the run waits for it."""
    scene.play(run("06-01", M4=POST, M5=ALL))
    with scene.world.connection() as web:
        web.execute(
            "UPDATE \"ListItem\" SET status = 'CHECK_ANNUAL_REVIEW' WHERE id = %s",
            (scene.items["p1"],),
        )
        ending = threading.Thread(target=scene.world.worker, args=(day("07-13"),))
        ending.start()
        with scene.world.connection() as looking:
            waits = None
            while not waits and ending.is_alive():
                waits = looking.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                    " AND datname = current_database()"
                ).fetchone()
                looking.rollback()
        assert waits
        web.commit()
    ending.join(40)
    assert scene.new_mails() == {"M9": ["p2", "p3", "p4"], "M10": POST.split()}
    scene.play(items(p1=("CHECK_ANNUAL_REVIEW", True, True), p2=OVERDUE))


def test_a_decision_that_has_become_wrong_changes_nothing(scene: Scene) -> None:
    """The conditions stand in the statements too, whatever was decided from an earlier look."""
    world, plan = scene.world, Plan.from_json(scene.world.plan(scene.list_id))
    assert plan is not None
    scene.play(hidden("p1"), blocked("p2"), taken_off("p3", "05-31"))
    ids, at = tuple(scene.items.values()), datetime(2026, 6, 1, 11, tzinfo=UTC)

    with world.connection() as connection:
        started = store.start_review(connection, scene.list_id, plan, ids, at)
        again = store.start_review(connection, scene.list_id, plan, ids, at)
    assert (started, again) == ((scene.items["p4"],), ())

    other = scene_of(world.url, scene.notify)
    plan = Plan.from_json(world.plan(other.list_id))
    assert plan is not None
    ids = tuple(other.items.values())
    with world.connection() as connection:
        store.start_review(connection, other.list_id, plan, ids, at)
    other.play(confirms("p1", "06-04"), edits("p2", "06-04"), hidden("p3"))
    with world.connection() as connection:
        overdue = store.end_review(connection, other.list_id, plan, ids, at)
    assert overdue == (other.items["p4"],)


def test_a_list_that_stays_locked_is_reported_and_the_others_are_handled(scene: Scene) -> None:
    other = scene.world.add_list(users=("post8@example.com",))
    scene.world.batch(day("05-04"))
    with scene.world.connection() as holder:
        holder.execute("SELECT pg_advisory_lock(7203006, %s)", (scene.list_id,))
        patient = scene.world.url
        scene.world.url = make_conninfo(patient, options="-c lock_timeout=50")
        with pytest.raises(TransientError) as raised:
            scene.world.worker(day("05-04"))
        scene.world.url = patient
    assert raised.value.detail == f"list {scene.list_id}: database_timeout"
    assert scene.new_mails() == {"M1": ["post8"]}
    assert other != scene.list_id
    scene.play(run("05-04", M1=POST))


def test_without_its_tables_a_run_fails_with_a_clear_code(database_url: str) -> None:
    with PickyNotify() as service:
        world = ReviewWorld(database_url, notify_client(service.url))
        with (
            pytest.raises(PermanentError) as raised,
            DomainDatabase("lists", lambda: database_url).connection(),
        ):
            world.worker(day("05-04"))
    assert raised.value.code == "lists_tables_missing"
