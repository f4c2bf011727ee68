"""A season of reviews at random: outages, failing e-mails, answers, stale and doubled runs.

Everything is drawn from one seed. Notify is in memory here, with its promise that it finds what it
has taken by reference; the tests of single faults talk to one over HTTP.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta

from psycopg.types.json import Jsonb

from tests.fakes.review_lists import MILESTONE_OF, ReviewWorld
from worker.clients.receipt import DeliveryReceipt
from worker.errors import DeliveryRejected, Interrupted, TransientError
from worker.lists.key_dates import KeyDates
from worker.lists.milestones import Milestone
from worker.lists.plan import Plan

FIRST_DAY = date(2026, 5, 1)
DAYS = 90
# Every start is so early that the last review ends on the 90th day at the latest.
STARTS = (5, 46)
# Once a week a run is neither skipped nor cut off, so that every review does start.
_SURE_RUN_EVERY = 7


@dataclass(frozen=True)
class Sent:
    """An e-mail that Notify took, and for which date the run was that sent it."""

    to: str
    milestone: Milestone
    run_date: date
    dates: KeyDates | None


@dataclass
class MemoryNotify:
    """Takes e-mails, or fails as often as ``trouble`` says (0 to 1)."""

    luck: random.Random
    trouble: float = 0.0
    may_stop: bool = False
    taken: dict[str, Sent] = field(default_factory=dict)
    run_date: date = FIRST_DAY
    dates: dict[int, KeyDates] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)

    def send_email(
        self,
        template_id: str,
        to: str,
        personalisation: Mapping[str, str],
        *,
        reference: str,
        may_have_been_sent: bool = False,
    ) -> DeliveryReceipt:
        if may_have_been_sent and reference in self.taken:
            return DeliveryReceipt("already_delivered", remote_id=reference)
        fate = self.luck.random()
        if fate < 0.3 * self.trouble:
            raise DeliveryRejected("notify_rejected", "No.")
        if fate < 0.6 * self.trouble:
            raise TransientError("notify_unavailable", "Not now.")
        if reference in self.taken:
            self.twice.append(reference)
        list_id = int(to.split("@")[0].split("-")[0].removeprefix("l"))
        self.taken[reference] = Sent(
            to, MILESTONE_OF[template_id], self.run_date, self.dates.get(list_id)
        )
        if fate < 0.8 * self.trouble:
            raise TransientError("notify_unavailable", "The answer was lost.")
        if fate < self.trouble and self.may_stop:
            raise Interrupted("killed", "Killed before it was recorded.")
        return DeliveryReceipt("delivered", remote_id=reference)


@dataclass
class Season:
    """Lists, and what was done to them; ``touched`` entries were changed by staff."""

    world: ReviewWorld
    luck: random.Random
    notify: MemoryNotify
    lists: list[int] = field(default_factory=list)
    list_of: dict[int, int] = field(default_factory=dict)
    answered: set[int] = field(default_factory=set)
    touched: set[int] = field(default_factory=set)
    ended_on: dict[int, date] = field(default_factory=dict)
    plans: dict[int, Plan] = field(default_factory=dict)

    def fill(self, lists: int) -> None:
        for number in range(lists):
            start = FIRST_DAY + timedelta(days=self.luck.randint(*STARTS))
            list_id = self.world.add_list(start=start, users=())
            self.lists.append(list_id)
            for user in range(self.luck.choice([0, 1, 2, 3])):
                self._user(list_id, f"l{list_id}-u{user}@example.com")
            for _ in range(self.luck.randint(1, 5) if number else 0):
                self._item(list_id)

    def live(self) -> None:
        """Ninety days, then two days on which nothing is in the way."""
        for number in range(DAYS):
            today = FIRST_DAY + timedelta(days=number)
            sure = number % _SURE_RUN_EVERY == 0
            self._people(today)
            if sure or self.luck.random() < 0.8:
                self.world.batch(today)
            self._runs(today, sure=sure)
        for number in (DAYS, DAYS + 1):
            self._run(FIRST_DAY + timedelta(days=number), trouble=0.0, may_stop=False)

    def _runs(self, today: date, *, sure: bool) -> None:
        if not sure and self.luck.random() < 0.25:
            return
        for _ in range(self.luck.choice([1, 1, 1, 2, 3])):
            trouble = self.luck.choice([0.0, 0.0, 0.1, 0.5, 1.0])
            self._run(today, trouble=trouble, may_stop=not sure)
        if self.luck.random() < 0.1:
            self._run(today - timedelta(days=self.luck.randint(1, 12)), trouble=0.2, may_stop=True)

    def _run(self, on: date, *, trouble: float, may_stop: bool) -> None:
        """One run; whether it says that it has to be repeated, or is cut off, is no matter."""
        self._look_at_plans()
        self.notify.run_date, self.notify.trouble = on, trouble
        self.notify.may_stop = may_stop

        def checkpoint() -> None:
            if may_stop and self.luck.random() < 0.03:
                raise Interrupted("stopped", "Stopped.")

        with suppress(TransientError, Interrupted):
            self.world.worker(on, checkpoint=checkpoint)
        for list_id in self.lists:
            if list_id in self.plans and list_id not in self.ended_on and not self._plan(list_id):
                self.ended_on[list_id] = on

    def _look_at_plans(self) -> None:
        """What governs the next run is what is stored before it."""
        for list_id in self.lists:
            plan = self._plan(list_id)
            if plan is not None:
                self.plans[list_id] = plan
                self.notify.dates[list_id] = plan.dates

    def _plan(self, list_id: int) -> Plan | None:
        return Plan.from_json(self.world.plan(list_id))

    def _people(self, today: date) -> None:
        waiting = self.world.rows(
            'SELECT id FROM "ListItem" WHERE status = \'OUT_WITH_PROVIDER\' AND "isPublished"'
        )
        for (item,) in waiting:
            assert isinstance(item, int)
            fate = self.luck.random()
            if fate < 0.015:
                self.world.answer(item, f"{today}T08:00")
                self.answered.add(item)
            elif fate < 0.02:
                self.world.event(item, "EDITED", f"{today}T08:00")
                self.answered.add(item)
            elif fate < 0.025:
                self.world.take_off(item, f"{today}T08:00")
                self.touched.add(item)
        for list_id in self.lists:
            if self.luck.random() < 0.02:
                self._move(list_id, today)

    def _move(self, list_id: int, today: date) -> None:
        """An administrator gives a review that has not started another start, within reason."""
        plan = self._plan(list_id)
        if plan is None or plan.dates.start <= today + timedelta(days=1):
            return
        start = today + timedelta(days=self.luck.randint(2, 20))
        if start > FIRST_DAY + timedelta(days=STARTS[1]):
            return
        moved = Plan(plan.reference, plan.eligible, KeyDates.from_start(start))
        self.world.run(
            'UPDATE "List" SET "nextAnnualReviewStartDate" = %s, "jsonData" ='
            " jsonb_set(\"jsonData\", '{currentAnnualReview}', %s) WHERE id = %s",
            start,
            Jsonb(moved.as_json()),
            list_id,
        )

    def _user(self, list_id: int, email: str) -> None:
        self.world.run(
            'WITH u AS (INSERT INTO "User" (email) VALUES (%s) RETURNING id)'
            ' INSERT INTO "_ListToUser" SELECT %s, id FROM u',
            email,
            list_id,
        )

    def _item(self, list_id: int) -> None:
        name = f"l{list_id}-i{len(self.list_of)}"
        kind = self.luck.random()
        fresh = ["2026-04-28T10:00"] if kind < 0.1 else ["2025-01-01T10:00"]
        item = self.world.add_item(
            list_id,
            name,
            published=fresh,
            email=None if 0.1 <= kind < 0.2 else "",
            is_blocked=0.2 <= kind < 0.3,
        )
        self.list_of[item] = list_id
