"""A review told as steps: runs with the e-mails that they send, and what happens in between.

List A starts on 1 June 2026 with the entries p1 to p4 and two members of staff; its plan is that
of the batch of 4 May.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.fakes.review_lists import MILESTONE_OF, ReviewWorld, day, notify_client
from tests.fakes.review_notify import PickyNotify
from worker.errors import Interrupted, TransientError

PROVIDERS = ("p1", "p2", "p3", "p4")
ALL = " ".join(PROVIDERS)
POST = "post1 post2"
IN_REVIEW = ("OUT_WITH_PROVIDER", True, True)
ON_THE_LIST = ("PUBLISHED", True, False)
ANSWERED = ("CHECK_ANNUAL_REVIEW", True, True)
OVERDUE = ("ANNUAL_REVIEW_OVERDUE", False, False)


@dataclass
class Scene:
    """List A in review, and a Notify of its own."""

    world: ReviewWorld
    notify: PickyNotify
    list_id: int
    items: dict[str, int]
    only: tuple[int, ...] | None = None
    seen: int = 0

    def new_mails(self) -> dict[str, list[str]]:
        """Names of the recipients of each milestone since the last look."""
        fresh = self.notify.sent[self.seen :]
        self.seen = len(self.notify.sent)
        found: dict[str, list[str]] = defaultdict(list)
        for email in fresh:
            found[MILESTONE_OF[email.template_id].value].append(email.to.partition("@")[0])
        return {milestone: sorted(names) for milestone, names in found.items()}

    def play(self, *steps: Step) -> Scene:
        for step in steps:
            step(self)
        return self


Step = Callable[[Scene], None]


def run_stopped_after_the_first(scene: Scene, on: str) -> None:
    """A run that is told to stop between the e-mails to the first and the second recipient."""
    stops = iter([False, False, True])

    def checkpoint() -> None:
        if next(stops):
            raise Interrupted("stopped", "Stopped.")

    with pytest.raises(Interrupted):
        scene.world.worker(day(on), checkpoint=checkpoint)


def scene_of(
    url: str,
    notify: PickyNotify,
    *,
    users: tuple[str, ...] | None = None,
    alone: bool = True,
) -> Scene:
    """List A after the batch of 4 May; runs are for this list only unless it is alone."""
    world = ReviewWorld(url, notify_client(notify.url))
    staff = ("post1@example.com", "post2@example.com") if users is None else users
    list_id = world.add_list(users=staff)
    items = {name: world.add_item(list_id, name) for name in PROVIDERS}
    only = None if alone else (list_id,)
    world.batch(day("05-04"), only=only)
    return Scene(world, notify, list_id, items, only)


def _expected(mails: dict[str, str]) -> dict[str, list[str]]:
    return {name.replace("_", "."): sorted(who.split()) for name, who in mails.items()}


def run(*dates: str, **mails: str) -> Step:
    """Runs on these dates, each sending these e-mails: ``M6_1="p1 p2"``; none if none are named."""

    def step(scene: Scene) -> None:
        for on in dates:
            scene.world.worker(day(on), only=scene.only)
            assert scene.new_mails() == _expected(mails), on

    return step


def run_fails(on: str, code: str = "review_emails_unsent", **mails: str) -> Step:
    """A run that sends these e-mails and then says that it has to be repeated."""

    def step(scene: Scene) -> None:
        with pytest.raises(TransientError) as raised:
            scene.world.worker(day(on), only=scene.only)
        assert raised.value.code == code
        assert scene.new_mails() == _expected(mails), on

    return step


def confirms(name: str, on: str) -> Step:
    return lambda scene: scene.world.answer(scene.items[name], f"{day(on)}T15:00")


def edits(name: str, on: str) -> Step:
    """The web service has noted the edit, and not changed the status yet."""
    return lambda scene: scene.world.event(scene.items[name], "EDITED", f"{day(on)}T15:00")


def taken_off(name: str, on: str) -> Step:
    return lambda scene: scene.world.take_off(scene.items[name], f"{day(on)}T15:00")


def hidden(name: str) -> Step:
    """Unpublished, whatever its status says."""
    return lambda scene: scene.world.run(
        'UPDATE "ListItem" SET "isPublished" = false WHERE id = %s', scene.items[name]
    )


def shown(name: str) -> Step:
    return lambda scene: scene.world.run(
        'UPDATE "ListItem" SET "isPublished" = true WHERE id = %s', scene.items[name]
    )


def blocked(name: str) -> Step:
    return lambda scene: scene.world.run(
        'UPDATE "ListItem" SET "isBlocked" = true WHERE id = %s', scene.items[name]
    )


def notify(*, refuses: str = "", fails: str = "") -> Step:
    """From now on Notify refuses these addresses, and can't take e-mails to those."""

    def step(scene: Scene) -> None:
        scene.notify.refused = set(refuses.split())
        scene.notify.failing = set(fails.split())

    return step


def items(**states: tuple[str, bool, bool]) -> Step:
    """Entries are in these states now."""

    def step(scene: Scene) -> None:
        found = {name: scene.world.item(scene.items[name]) for name in states}
        assert found == states

    return step


def audits(*names: str) -> Step:
    """Everything that is recorded about the list since its plan was stored."""

    def step(scene: Scene) -> None:
        assert scene.world.audits(scene.list_id) == ["startAnnualReview", *names]

    return step
