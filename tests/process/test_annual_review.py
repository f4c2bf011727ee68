"""The annual review by messages, from the schedule to e-mails; a worker killed while it sends."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from dataclasses import dataclass

import pytest

from tests.fakes.commands import command
from tests.fakes.environment import Environment
from tests.fakes.review_lists import MILESTONE_OF, TEMPLATES, ReviewWorld, day
from worker.demo.fake_service import Received, Reply
from worker.demo.notify import FakeNotify
from worker.lists.milestones import Milestone
from worker.migrations import runner

_VARIABLES = {
    "GOVUK_NOTIFY_ANNUAL_REVIEW_POST_ONE_MONTH_NOTICE": Milestone.POST_ONE_MONTH,
    "GOVUK_NOTIFY_ANNUAL_REVIEW_POST_ONE_WEEK_NOTICE": Milestone.POST_ONE_WEEK,
    "GOVUK_NOTIFY_ANNUAL_REVIEW_POST_ONE_DAY_NOTICE": Milestone.POST_ONE_DAY,
    "GOVUK_NOTIFY_ANNUAL_REVIEW_POST_STARTED": Milestone.POST_STARTED,
    "GOVUK_NOTIFY_ANNUAL_REVIEW_PROVIDER_STARTED": Milestone.PROVIDER_STARTED,
    "GOVUK_NOTIFY_UNPUBLISH_PROVIDER_ONE_DAY_NOTICE": Milestone.PROVIDER_ONE_DAY,
    "GOVUK_NOTIFY_UNPUBLISH_POST_ONE_DAY_NOTICE": Milestone.POST_UNPUBLISH_ONE_DAY,
    "GOVUK_NOTIFY_UNPUBLISHED_PROVIDER_NOTICE": Milestone.PROVIDER_UNPUBLISHED,
    "GOVUK_NOTIFY_UNPUBLISHED_POST_NOTICE": Milestone.POST_UNPUBLISHED,
}
SETTINGS = {
    "LISTS_SERVICE_DOMAIN": "lists.example.gov.uk",
    **{name: TEMPLATES[milestone] for name, milestone in _VARIABLES.items()},
}
# A worker that dies lets go of its job and its message soon.
SHORT_LIVED = {
    "WORKER_LEASE_SECONDS": "3",
    "SQS_VISIBILITY_TIMEOUT": "8",
    "GOVUK_NOTIFY_TIMEOUT_SECONDS": "30",
}


class HesitantNotify(FakeNotify):
    """Says nothing to the next e-mail until ``go_on``; ``takes`` it before, or never."""

    def __init__(self, *, takes: bool) -> None:
        super().__init__()
        self._takes = takes
        self._hesitates = True
        self.asked = threading.Event()
        self.go_on = threading.Event()

    def handle(self, request: Received) -> Reply | None:
        if request.method != "POST" or not self._hesitates:
            return super().handle(request)
        self._hesitates = False
        if self._takes:
            super().handle(request)
        self.asked.set()
        self.go_on.wait(40)
        return None


@dataclass
class Review:
    """A list that starts on 1 June 2026, with two entries and one member of staff."""

    environment: Environment
    world: ReviewWorld
    items: tuple[int, ...]

    def send(self, job: str, day: str) -> None:
        self.environment.send(
            {
                "jobType": f"lists.annual-review.{job}",
                "scheduledTime": f"{day}T10:00:00Z",
                "runDate": day,
            }
        )

    def result(self, job: str, day: str) -> object:
        return self.environment.value(
            "SELECT result.payload FROM jobs.result JOIN jobs.job ON job.id = job_id"
            " WHERE key = %s",
            f"lists.annual-review.{job}:{day}T10:00:00Z",
        )


@pytest.fixture
def review(environment: Environment) -> Review:
    runner.upgrade_domain("lists", environment.database_url)
    world = ReviewWorld(environment.database_url)
    list_id = world.add_list(users=("post1@example.com",))
    return Review(environment, world, tuple(world.add_item(list_id, name) for name in ("p1", "p2")))


def sent_by(notify: FakeNotify) -> Counter[tuple[str, str]]:
    return Counter(
        (MILESTONE_OF[email.template_id].value, email.to.partition("@")[0]) for email in notify.sent
    )


def test_messages_plan_a_review_and_start_it(review: Review) -> None:
    environment = review.environment
    review.send("batch", "2026-05-04")
    with environment.worker(**SETTINGS) as worker:
        worker.wait_for("message.deleted")
        review.send("worker", "2026-06-01")
        review.send("worker", "2026-06-01")
        worker.wait_until(lambda: len(worker.events("message.deleted")) == 3, "three deletions")

    assert sent_by(environment.notify) == {("M4", "post1"): 1, ("M5", "p1"): 1, ("M5", "p2"): 1}
    plan = review.result("batch", "2026-05-04")
    assert isinstance(plan, dict)
    assert (plan["lists"], len(plan["planned"])) == (1, 1)
    done = review.result("worker", "2026-06-01")
    assert isinstance(done, dict)
    assert (done["itemsStarted"], done["emails"]) == (2, {"M4": 1, "M5": 2})
    (completed,) = worker.events("run.completed", job_type="lists.annual-review.worker")
    assert (completed["run_date"], completed["emails"]) == ("2026-06-01", 3)
    assert "@example.com" not in worker.log()
    assert "@example.com" not in str([plan, done])


@pytest.mark.parametrize("taken", [False, True], ids=["claimed", "sent"])
def test_a_worker_killed_while_it_sends_sends_one_email(review: Review, taken: bool) -> None:
    """SIGKILL after the claim, before or after Notify has taken the e-mail, never recorded."""
    environment = review.environment
    review.world.batch(day("05-04"))
    review.send("worker", "2026-06-01")
    with HesitantNotify(takes=taken) as notify:
        settings = {**SETTINGS, "GOVUK_NOTIFY_BASE_URL": notify.url}
        with environment.worker(**settings, **SHORT_LIVED) as first:
            first.wait_until(lambda: notify.asked.is_set(), "a request to Notify")
            first.signal(signal.SIGKILL)
            assert first.wait() == -signal.SIGKILL
        assert [state for _, _, state, _ in review.world.outbox()].count("sending") == 1
        notify.go_on.set()
        with environment.worker(**settings, GOVUK_NOTIFY_TIMEOUT_SECONDS="2") as second:
            second.wait_for("message.deleted")

        assert sent_by(notify) == {("M4", "post1"): 1, ("M5", "p1"): 1, ("M5", "p2"): 1}
    assert review.world.audits(1) == ["startAnnualReview", "started"]
    for item in review.items:
        assert len(review.world.events(item, "ANNUAL_REVIEW_STARTED")) == 1
        assert len(review.world.events(item, "REMINDER")) == 1
    (first_mail,) = second.events("review.email_sent", milestone="M4")
    assert first_mail["outcome"] == ("already_delivered" if taken else "delivered")


def test_without_its_templates_a_review_fails_before_it_changes_anything(review: Review) -> None:
    review.world.batch(day("05-04"))
    review.send("worker", "2026-06-01")
    with review.environment.worker() as worker:
        failed = worker.wait_for("job.failed")
    assert failed["error_code"] == "annual_review_not_configured"
    assert "LISTS_SERVICE_DOMAIN" in str(failed["error_sentence"])
    assert review.world.item(review.items[0]) == ("PUBLISHED", True, False)


def test_an_operator_sees_a_review_before_it_is_switched_on(review: Review) -> None:
    printed = command(
        review.environment,
        *("schedule", "preview", "lists.annual-review.worker"),
        *("--from", "2026-05-31", "--days", "3"),
    )
    lines = printed.splitlines()
    assert any("2026-05-31" in line and "M3 oneDayBeforeStart" in line for line in lines)
    assert any("start the review of 2 entries" in line for line in lines)
    assert "@" not in printed
    assert review.world.plan(1) is None
