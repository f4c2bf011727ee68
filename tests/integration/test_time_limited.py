"""Licences with a time limit that ends soon are put into workflow: each rule on a real database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from threading import Barrier
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.demo.water_world import CREATED, WaterWorld
from worker.water import licence_updates
from worker.water.time_limited import add_to_workflow, ends_before
from worker.water.workflow import Workflow

TODAY = date(2026, 6, 15)
ENDS = date(2026, 8, 3)


@dataclass(frozen=True)
class Limited:
    """The base case: a licence in force with one element that ends 49 days ahead."""

    licence: Mapping[str, object] = field(default_factory=dict)
    version: Mapping[str, object] = field(default_factory=dict)
    charge_version: Mapping[str, object] = field(default_factory=dict)
    reference: Mapping[str, object] = field(default_factory=dict)
    ends: date | None = ENDS

    def build(self, world: WaterWorld) -> tuple[UUID, UUID, UUID]:
        """(licence, licence version, charge version)."""
        licence = world.licence(**self.licence)
        version = world.version(licence, **self.version)
        charge_version = world.charge_version(licence, **self.charge_version)
        world.element(world.reference(charge_version, **self.reference), self.ends)
        return licence, version, charge_version


@pytest.mark.parametrize(
    ("arranged", "eligible"),
    [
        pytest.param(Limited(), True, id="T01 49 days ahead"),
        pytest.param(Limited(ends=date(2026, 8, 4)), False, id="T02 50 days ahead"),
        pytest.param(Limited(ends=TODAY), True, id="T03 today"),
        pytest.param(Limited(ends=date(2020, 1, 1)), True, id="T04 long past"),
        pytest.param(Limited(ends=None), False, id="T05 no end"),
        pytest.param(
            Limited(licence={"expired_date": date(2026, 6, 14)}), False, id="T06 expired yesterday"
        ),
        pytest.param(Limited(licence={"expired_date": TODAY}), False, id="T07 expires today"),
        pytest.param(
            Limited(licence={"expired_date": date(2026, 6, 16)}), True, id="T08 expires tomorrow"
        ),
        pytest.param(
            Limited(licence={"revoked_date": date(2030, 1, 1)}), False, id="T09 to be revoked"
        ),
        pytest.param(
            Limited(licence={"lapsed_date": date(2030, 1, 1)}), False, id="T10 to lapse"
        ),
        pytest.param(Limited(version={"status": "superseded"}), False, id="T11 old version"),
        pytest.param(
            Limited(charge_version={"end_date": date(2030, 1, 1)}), False, id="T12 charge ends"
        ),
        pytest.param(Limited(charge_version={"scheme": "alcs"}), False, id="T13 old scheme"),
        pytest.param(Limited(charge_version={"status": "superseded"}), False, id="T14 old charge"),
        pytest.param(
            Limited(ends=None, reference={"time_limited_end_date": ENDS}),
            False,
            id="T15 only the reference ends",
        ),
    ],
)  # fmt: skip
def test_a_licence_is_put_into_workflow_as_the_rules_say(
    world: WaterWorld, arranged: Limited, eligible: bool
) -> None:
    licence, version, charge_version = arranged.build(world)

    added = add_to_workflow(world.connection, TODAY)

    assert [(row.licence_id, row.licence_version_id, row.data) for row in added] == (
        [
            (
                licence,
                version,
                {"chargeVersion": None, "timeLimitedChargeVersionId": str(charge_version)},
            )
        ]
        if eligible
        else []
    )


def test_the_row_is_what_the_teams_screens_expect(world: WaterWorld) -> None:
    licence, version, charge_version = Limited(licence={"licence_ref": "6/33/4"}).build(world)

    (added,) = add_to_workflow(world.connection, TODAY)

    (row,) = world.workflows()
    assert row["date_created"] == row["date_updated"]
    assert {name: row[name] for name in row if not name.startswith("date_")} == {
        "charge_version_workflow_id": added.workflow_id,
        "licence_id": licence,
        "licence_version_id": version,
        "status": "to_setup",
        "data": {"chargeVersion": None, "timeLimitedChargeVersionId": str(charge_version)},
        "created_by": None,
        "approver_comments": None,
    }
    assert row["date_deleted"] is None
    assert added.licence_ref == "6/33/4"


@pytest.mark.parametrize("of_version", [True, False])
def test_t16_a_licence_in_workflow_is_left_out(world: WaterWorld, of_version: bool) -> None:
    licence, _, _ = Limited().build(world)
    other = world.version(licence, status="superseded")
    world.workflow(licence, other if of_version else None)

    assert add_to_workflow(world.connection, TODAY) == ()


def test_t17_a_licence_that_was_in_workflow_comes_back(world: WaterWorld) -> None:
    licence, version, _ = Limited().build(world)
    world.workflow(licence, version, date_deleted=CREATED)

    assert len(add_to_workflow(world.connection, TODAY)) == 1


def charge_version_ending(world: WaterWorld, licence: UUID, ends: date, **changes: object) -> UUID:
    charge_version = world.charge_version(licence, **changes)
    world.element(world.reference(charge_version), ends)
    return charge_version


def chosen(world: WaterWorld) -> object:
    (added,) = add_to_workflow(world.connection, TODAY)
    return added.data["timeLimitedChargeVersionId"]


def test_t18_of_two_charge_versions_the_one_that_ends_first_is_named(world: WaterWorld) -> None:
    licence, _, _ = Limited().build(world)
    earlier = charge_version_ending(world, licence, date(2026, 7, 1), start_date=date(2000, 1, 1))

    assert chosen(world) == str(earlier)


def test_among_equal_ends_the_newest_charge_version_is_named(world: WaterWorld) -> None:
    licence, _, _ = Limited(charge_version={"start_date": date(2023, 1, 1)}).build(world)
    started_last = charge_version_ending(world, licence, ENDS, start_date=date(2024, 1, 1))
    assert chosen(world) == str(started_last)

    world.connection.execute("DELETE FROM water.charge_version_workflows")
    numbered_higher = charge_version_ending(
        world, licence, ENDS, start_date=date(2024, 1, 1), version_number=2
    )
    assert chosen(world) == str(numbered_higher)

    world.connection.execute("DELETE FROM water.charge_version_workflows")
    lowest_id = charge_version_ending(
        world,
        licence,
        ENDS,
        start_date=date(2024, 1, 1),
        version_number=2,
        charge_version_id=UUID(int=1),
    )
    assert chosen(world) == str(lowest_id)


def test_of_several_current_licence_versions_the_last_issue_is_named(world: WaterWorld) -> None:
    licence, _, _ = Limited(version={"issue": 3, "increment": 9}).build(world)
    world.version(licence, issue=4, increment=1)
    latest = world.version(licence, issue=4, increment=2)

    (added,) = add_to_workflow(world.connection, TODAY)

    assert added.licence_version_id == latest


def test_t19_two_elements_are_one_row(world: WaterWorld) -> None:
    _, _, charge_version = Limited().build(world)
    reference = world.reference(charge_version)
    for ends in (ENDS, date(2026, 7, 1)):
        world.element(reference, ends)

    assert len(add_to_workflow(world.connection, TODAY)) == 1


def test_t20_a_second_run_adds_nothing(world: WaterWorld) -> None:
    Limited().build(world)
    add_to_workflow(world.connection, TODAY)

    assert add_to_workflow(world.connection, TODAY) == ()


@pytest.mark.parametrize("_round", range(3))
def test_t21_runs_at_the_same_time_add_each_licence_once(domains_url: str, _round: int) -> None:
    with psycopg.connect(domains_url) as connection:
        world = WaterWorld(connection)
        for _ in range(100):
            licence, _, _ = Limited().build(world)
            # Two versions: the runs have to agree on one of them.
            world.version(licence, issue=2)
    start = Barrier(3)

    def run() -> int:
        with psycopg.connect(domains_url) as connection:
            start.wait()
            return len(add_to_workflow(connection, TODAY))

    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(run) for _ in range(3)]
        counts = [one.result() for one in runs]

    assert sum(counts) == 100
    with psycopg.connect(domains_url) as connection:
        rows = WaterWorld(connection).workflows()
    assert len({row["licence_id"] for row in rows}) == len(rows) == 100


def test_t22_a_licence_that_the_licence_updates_have_put_there_is_left_out(
    world: WaterWorld,
) -> None:
    Limited().build(world)
    assert len(licence_updates.add_to_workflow(world.connection, TODAY)) == 1

    assert add_to_workflow(world.connection, TODAY) == ()


def test_t23_the_licence_updates_leave_out_what_a_time_limit_has_put_there(
    world: WaterWorld,
) -> None:
    Limited().build(world)
    assert len(add_to_workflow(world.connection, TODAY)) == 1

    assert licence_updates.add_to_workflow(world.connection, TODAY) == ()


@pytest.mark.parametrize("_round", range(3))
def test_both_jobs_at_the_same_time_put_each_version_there_once(
    domains_url: str, _round: int
) -> None:
    with psycopg.connect(domains_url) as connection:
        world = WaterWorld(connection)
        for _ in range(200):
            Limited().build(world)
    start = Barrier(2)

    def run(add: Callable[[psycopg.Connection, date], tuple[Workflow, ...]]) -> int:
        with psycopg.connect(domains_url) as connection:
            start.wait()
            return len(add(connection, TODAY))

    with ThreadPoolExecutor(2) as pool:
        counts = pool.map(run, (add_to_workflow, licence_updates.add_to_workflow))
        assert sum(counts) == 200


@dataclass(frozen=True)
class Charge:
    """A charge version of a drawn licence, with one element."""

    scheme: str
    status: str
    ended: bool
    element_ends: date | None

    @property
    def counts(self) -> bool:
        return (
            (self.scheme, self.status, self.ended) == ("sroc", "current", False)
            and self.element_ends is not None
            and self.element_ends < date(2026, 8, 4)
        )


@dataclass(frozen=True)
class Drawn:
    """A licence near every limit of the rules; ``workflow`` is the state of its row, if any."""

    expired: date | None
    revoked: date | None
    lapsed: date | None
    versions: list[str]
    charges: list[Charge]
    workflow: str | None

    @property
    def is_due(self) -> bool:
        """The rules of the job, said once more in another language."""
        return (
            (self.expired is None or self.expired > TODAY)
            and self.revoked is None
            and self.lapsed is None
            and "current" in self.versions
            and any(charge.counts for charge in self.charges)
            and self.workflow != "live"
        )

    def build(self, world: WaterWorld) -> UUID:
        licence = world.licence(
            expired_date=self.expired, revoked_date=self.revoked, lapsed_date=self.lapsed
        )
        for issue, status in enumerate(self.versions):
            world.version(licence, status=status, issue=issue)
        for charge in self.charges:
            charge_version = world.charge_version(
                licence,
                scheme=charge.scheme,
                status=charge.status,
                end_date=date(2030, 1, 1) if charge.ended else None,
            )
            world.element(world.reference(charge_version), charge.element_ends)
        if self.workflow:
            deleted = CREATED if self.workflow == "deleted" else None
            world.workflow(licence, None, date_deleted=deleted)
        return licence


_seldom = st.sampled_from([None, None, None, date(2026, 6, 1), date(2030, 1, 1)])
_charges = st.builds(
    Charge,
    scheme=st.sampled_from(["sroc", "sroc", "alcs"]),
    status=st.sampled_from(["current", "current", "superseded"]),
    ended=st.sampled_from([False, False, True]),
    element_ends=st.none() | st.dates(date(2026, 7, 30), date(2026, 8, 8)),
)
_licences = st.builds(
    Drawn,
    expired=st.none() | st.dates(date(2026, 6, 13), date(2026, 6, 17)),
    revoked=_seldom,
    lapsed=_seldom,
    versions=st.lists(st.sampled_from(["current", "superseded"]), max_size=3),
    charges=st.lists(_charges, max_size=3),
    workflow=st.sampled_from([None, None, "live", "deleted"]),
)


@given(drawn=st.lists(_licences, max_size=8))
def test_any_mixture_of_licences_gets_one_row_each_where_the_rules_say(
    water_url: str, drawn: list[Drawn]
) -> None:
    with psycopg.connect(water_url) as connection:
        world = WaterWorld(connection)
        built = [(one.build(world), one.is_due) for one in drawn]

        first = add_to_workflow(connection, TODAY)
        second = add_to_workflow(connection, TODAY)

        connection.rollback()
    assert sorted(row.licence_id for row in first) == sorted(
        licence for licence, is_due in built if is_due
    )
    assert second == ()


def test_the_limit_is_fifty_days_ahead() -> None:
    assert ends_before(TODAY) == date(2026, 8, 4)
