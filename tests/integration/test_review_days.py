"""The review of one list day by day: who gets which e-mail when, and what changes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.fakes.review_notify import PickyNotify
from tests.fakes.review_scene import (
    ALL,
    ANSWERED,
    IN_REVIEW,
    ON_THE_LIST,
    OVERDUE,
    POST,
    PROVIDERS,
    Step,
    audits,
    blocked,
    confirms,
    edits,
    hidden,
    items,
    notify,
    run,
    run_fails,
    scene_of,
    shown,
    taken_off,
)
from worker.demo.postgis import DatabaseServer

STARTED = run("06-01", M4=POST, M5=ALL)

CASES: dict[str, tuple[Step, ...]] = {
    "W1 nothing before the first date": (run("05-03"), audits()),
    "W2 a month before": (run("05-04", M1=POST), audits("oneMonthBeforeStart")),
    "W3 and only once": (run("05-04", M1=POST), run("05-05", "05-12", "05-24")),
    "W4 one of two addresses refused counts as sent": (
        notify(refuses="post1"),
        run("05-04", M1="post2"),
        audits("oneMonthBeforeStart"),
        notify(),
        run("05-05"),
    ),
    "W5 both refused are tried on the next day": (
        notify(refuses=POST),
        run("05-04"),
        audits(),
        notify(),
        run("05-05", M1=POST),
        audits("oneMonthBeforeStart"),
    ),
    "W6 the next email takes over": (
        notify(refuses=POST),
        run("05-04", "05-20"),
        notify(),
        run("05-25", M2=POST),
        audits("oneWeekBeforeStart"),
    ),
    "W7 the day before": (run("05-31", M3=POST), audits("oneDayBeforeStart")),
    "W8 a failed week is not made up for": (
        notify(refuses=POST),
        run("05-25", "05-28", "05-30"),
        notify(),
        run("05-31", M3=POST),
    ),
    "W9 W10 the start, once": (
        STARTED,
        items(p1=IN_REVIEW, p2=IN_REVIEW, p3=IN_REVIEW, p4=IN_REVIEW),
        audits("started"),
        run("06-02"),
        items(p1=IN_REVIEW),
    ),
    "W11 one provider fails for a time": (
        notify(fails="p2"),
        run_fails("06-01", M4=POST, M5="p1 p3 p4"),
        items(p2=IN_REVIEW),
        notify(),
        run("06-02", M5="p2"),
    ),
    "W11 one provider is refused": (
        notify(refuses="p2"),
        run("06-01", M4=POST, M5="p1 p3 p4"),
        notify(),
        run("06-02", M5="p2"),
        run("06-03"),
    ),
    "W12 late start": (run("06-03", M4=POST, M5=ALL), items(p1=IN_REVIEW, p4=IN_REVIEW)),
    "W13 an answer is left alone": (
        STARTED,
        confirms("p1", "06-04"),
        run("06-05"),
        items(p1=ANSWERED, p2=IN_REVIEW),
    ),
    "W14 W15 W16 the first weekly reminder": (
        STARTED,
        confirms("p1", "06-04"),
        run("06-07"),
        run("06-08", M6_1="p2 p3 p4"),
        run("06-09", "06-11", "06-14"),
    ),
    "W17 a late reminder": (STARTED, run("06-10", M6_1=ALL), run("06-11")),
    "W18 missed weeks are not made up for": (
        STARTED,
        run("06-22", M6_3=ALL),
        run("06-23"),
    ),
    "W19 each week": (
        STARTED,
        run("06-08", M6_1=ALL),
        run("06-15", M6_2=ALL),
        run("06-22", M6_3=ALL),
        run("06-29", M6_4=ALL),
        run("07-06", M6_5=ALL),
        run("07-11"),
    ),
    "W20 whoever has answered is not reminded": (
        STARTED,
        run("06-15", M6_2=ALL),
        confirms("p2", "06-20"),
        run("06-22", M6_3="p1 p3 p4"),
    ),
    "W21 the day before the end": (
        STARTED,
        confirms("p1", "06-04"),
        confirms("p2", "06-20"),
        run("07-12", M7="p3 p4", M8=POST),
        audits("started", "oneDayBeforeUnpublish"),
    ),
    "W22 nobody is left to warn": (
        STARTED,
        *(confirms(name, "06-20") for name in PROVIDERS),
        run("07-12"),
        run("07-13"),
        items(p1=ANSWERED, p4=ANSWERED),
        audits("started", "endAnnualReview"),
    ),
    "W23 W24 the end, once": (
        STARTED,
        confirms("p1", "06-04"),
        confirms("p2", "06-20"),
        run("07-13", M9="p3 p4", M10=POST),
        items(p1=ANSWERED, p2=ANSWERED, p3=OVERDUE, p4=OVERDUE),
        audits("started", "endAnnualReview", "unpublished"),
        run("07-14"),
    ),
    "W25 late end": (STARTED, run("07-15", M9=ALL, M10=POST), items(p1=OVERDUE)),
    "W26 Notify is down at the end": (
        STARTED,
        notify(fails=f"{ALL} {POST}"),
        run_fails("07-13"),
        items(p1=OVERDUE, p4=OVERDUE),
        audits("started", "endAnnualReview"),
        notify(),
        run("07-14", M9=ALL, M10=POST),
        audits("started", "endAnnualReview", "unpublished"),
        run("07-15"),
    ),
    "whoever answers after the end is not told that the entry is off the list": (
        STARTED,
        notify(fails=f"{ALL} {POST}"),
        run_fails("07-13"),
        notify(),
        confirms("p1", "07-13"),
        run("07-14", M9="p2 p3 p4", M10=POST),
        items(p1=("CHECK_ANNUAL_REVIEW", False, False)),
        run("07-15"),
    ),
    "W29 the message comes again": (
        STARTED,
        run("06-01"),
        run("06-08", M6_1=ALL),
        run("06-08"),
        run("07-13", M9=ALL, M10=POST),
        run("07-13"),
        audits("started", "endAnnualReview", "unpublished"),
    ),
    "W31 staff take an entry off": (
        STARTED,
        taken_off("p3", "06-03"),
        run("06-08", M6_1="p1 p2 p4"),
        run("07-12", M7="p1 p2 p4", M8=POST),
        run("07-13", M9="p1 p2 p4", M10=POST),
        items(p3=("UNPUBLISHED", False, True), p1=OVERDUE),
    ),
    "what staff hide or block in a review is left alone": (
        STARTED,
        hidden("p1"),
        blocked("p2"),
        run("06-08", M6_1="p3 p4"),
        run("07-13", M9="p3 p4", M10=POST),
        items(p1=("OUT_WITH_PROVIDER", False, True), p2=IN_REVIEW, p3=OVERDUE),
    ),
    "what staff hide or block before the start does not start": (
        hidden("p1"),
        blocked("p2"),
        run("06-01", M4=POST, M5="p3 p4"),
        items(p1=("PUBLISHED", False, False), p2=ON_THE_LIST),
    ),
    "an email that was given up is sent if it is due again in its time": (
        STARTED,
        notify(refuses="p1"),
        run("06-08", M6_1="p2 p3 p4"),
        notify(),
        hidden("p1"),
        run("06-09"),
        shown("p1"),
        run("06-10", M6_1="p1"),
    ),
    "an edit that the web service has only noted counts as an answer": (
        STARTED,
        edits("p1", "06-04"),
        run("06-08", M6_1="p2 p3 p4"),
        run("07-13", M9="p2 p3 p4", M10=POST),
        items(p1=IN_REVIEW),
    ),
    "a late start does not swallow the reminder of its week": (
        run("06-10", M4=POST, M5=ALL, M6_1=ALL),
        run("06-11"),
    ),
    "an entry that was taken off before the start is left alone": (
        taken_off("p2", "05-31"),
        run("06-01", M4=POST, M5="p1 p3 p4"),
        items(p2=("UNPUBLISHED", False, False)),
    ),
    "an entry that was published again before the start is left alone": (
        lambda scene: scene.world.event(scene.items["p2"], "PUBLISHED", "2026-05-31T10:00"),
        run("06-01", M4=POST, M5="p1 p3 p4"),
        items(p2=ON_THE_LIST),
    ),
    "an entry that was corrected before a late start is left alone": (
        edits("p1", "06-02"),
        run("06-03", M4=POST, M5="p2 p3 p4"),
        items(p1=ON_THE_LIST, p2=IN_REVIEW),
        run("07-13", M9="p2 p3 p4", M10=POST),
    ),
    "a review that no run has started takes nobody off the list": (
        run("07-13"),
        items(p1=ON_THE_LIST, p4=ON_THE_LIST),
        audits("endAnnualReview"),
    ),
    "e-mails about the end are given up after a week": (
        STARTED,
        notify(refuses=f"{ALL} {POST}"),
        run("07-13", "07-20"),
        notify(),
        run("07-21", "07-22"),
    ),
    "and tried until then": (
        STARTED,
        notify(refuses=f"{ALL} {POST}"),
        run("07-13"),
        notify(),
        run("07-20", M9=ALL, M10=POST),
    ),
    "a run for an earlier day sends nothing that was overtaken": (
        STARTED,
        run("06-15", M6_2=ALL),
        run("06-08", "05-25", "06-01"),
        run("06-16"),
    ),
    "a reminder that failed is not sent to somebody who has answered since": (
        STARTED,
        notify(refuses="p1"),
        run("06-08", M6_1="p2 p3 p4"),
        notify(),
        confirms("p1", "06-08"),
        run("06-09"),
    ),
}


@pytest.fixture(scope="module")
def shared_url(postgis: DatabaseServer, domains_template: str) -> Iterator[str]:
    """One database for all cases: each has a list of its own, and runs for that one only."""
    name = f"reviews-{uuid.uuid4().hex[:12]}"
    yield postgis.create_database(name, domains_template)
    postgis.drop_database(name)


@pytest.mark.parametrize("steps", CASES.values(), ids=CASES.keys())
def test_a_review_day_by_day(shared_url: str, steps: tuple[Step, ...]) -> None:
    with PickyNotify() as service:
        scene_of(shared_url, service, alone=False).play(*steps)
