"""What the log of a review tells an operator, in the words that embassies and support know."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.fakes.review_lists import day
from tests.fakes.review_notify import PickyNotify
from tests.fakes.review_scene import (
    ALL,
    POST,
    Scene,
    Step,
    hidden,
    notify,
    run,
    run_stopped_after_the_first,
    scene_of,
)
from worker import logs
from worker.settings import RuntimeSettings

Line = dict[str, object]
pytestmark = pytest.mark.usefixtures("own_logging")


@pytest.fixture
def scene(domains_url: str) -> Iterator[Scene]:
    with PickyNotify() as service:
        yield scene_of(domains_url, service)


def logged(
    scene: Scene, capsys: pytest.CaptureFixture[str], event: str, *steps: Step
) -> list[Line]:
    """Lines of one event while these steps are played; no line at all names an address."""
    logs.configure(RuntimeSettings(log_format="json"))
    capsys.readouterr()
    scene.play(*steps)
    text = capsys.readouterr().out
    assert "review.run_ended" in text
    assert "@example.com" not in text
    return [
        line for line in map(json.loads, text.splitlines()) if line.get("event.action") == event
    ]


def told(lines: list[Line]) -> list[tuple[object, object]]:
    return [(line["log.level"], line["text"]) for line in lines]


def test_w5_that_none_of_the_staff_got_an_email_is_an_error(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = logged(scene, capsys, "review.milestone_failed", notify(refuses=POST), run("05-04"))
    text = (
        "Unable to send annual review email to post contacts"
        f" for list {scene.list_id} oneMonthBeforeStart before annual review start"
    )
    assert told(lines) == [("error", text)]


def test_a_later_failure_for_a_second_member_of_staff_is_not_that_error(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run was stopped when the first had got it, so the e-mail counts as sent."""
    run_stopped_after_the_first(scene, "05-04")
    assert scene.new_mails() == {"M1": ["post1"]}

    steps = notify(refuses="post2"), run("05-04")
    assert logged(scene, capsys, "review.milestone_failed", *steps) == []
    assert scene.world.outbox()[1] == ("M1", "post2@example.com", "failed", 1)


def test_w4_that_one_of_the_staff_got_none_is_a_warning(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = notify(refuses="post1"), run("05-04", M1="post2")
    lines = logged(scene, capsys, "review.email_failed", *steps)
    assert [(line["log.level"], line["error_code"]) for line in lines] == [
        ("warning", "notify_rejected")
    ]


def test_w27_a_list_without_staff_is_named(
    domains_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with PickyNotify() as service:
        scene = scene_of(domains_url, service, users=())
        lines = logged(scene, capsys, "review.no_users", run("05-04"))
    assert told(lines) == [("warning", f"No users identified for List {scene.list_id}")]


def test_entries_that_do_not_start_are_named(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = hidden("p2"), run("06-01", M4=POST, M5="p1 p3 p4")
    lines = logged(scene, capsys, "review.items_not_started", *steps)
    text = f"List items [{scene.items['p2']}] were not updated for annual review start"
    assert told(lines) == [("warning", text)]


def test_a_review_of_no_entries_is_named(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    world = scene.world
    empty = world.add_list(users=())
    world.batch(day("05-04"), only=[empty])
    scene.only = (empty,)
    lines = logged(scene, capsys, "review.items_not_started", run("06-01"))
    text = f"List item ids must be provided to update list items for list with id {empty}"
    assert told(lines) == [("warning", text)]


def test_warnings_of_a_missed_last_day_are_named(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = run("06-01", M4=POST, M5=ALL), run("07-13", M9=ALL, M10=POST)
    lines = logged(scene, capsys, "review.milestone_lost", *steps)
    assert [(line["log.level"], line["milestone"], line["providers"]) for line in lines] == [
        ("warning", "M7", 4),
        ("warning", "M8", 4),
    ]
