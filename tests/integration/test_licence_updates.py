"""New licence versions are put into workflow once: each rule of the job on a real database."""

from __future__ import annotations

import calendar
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from threading import Barrier

import psycopg
import pytest

from tests.fakes.exports import wait_until
from worker.demo.water_world import CREATED, WaterWorld
from worker.water.licence_updates import add_to_workflow, window_start

TODAY = date(2026, 6, 15)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def nothing_else(world: WaterWorld) -> None:
    world.version(world.licence())


def superseded_charge_version(world: WaterWorld) -> None:
    licence = world.licence()
    world.version(licence)
    world.charge_version(licence, status="superseded")


def version_with(**changes: object) -> Callable[[WaterWorld], None]:
    def arrange(world: WaterWorld) -> None:
        world.version(world.licence(), **changes)

    return arrange


def in_workflow(**changes: object) -> Callable[[WaterWorld], None]:
    def arrange(world: WaterWorld) -> None:
        licence = world.licence()
        world.workflow(licence, world.version(licence), **changes)

    return arrange


def another_version_in_workflow(world: WaterWorld) -> None:
    licence = world.licence()
    world.version(licence)
    long_ago = world.version(licence, increment=1, date_created=at("2020-01-01"))
    world.workflow(licence, long_ago)


def in_bill_run(status: str) -> Callable[[WaterWorld], None]:
    def arrange(world: WaterWorld) -> None:
        licence = world.licence()
        world.version(licence)
        world.bill_run(world.charge_version(licence, scheme="alcs"), status)

    return arrange


# (case, what there is, chargeVersionExists of the row that is added; None: no row)
CASES: tuple[tuple[str, Callable[[WaterWorld], None], bool | None], ...] = (
    ("L01 new version", nothing_else, False),
    ("L02 with a charge version", superseded_charge_version, True),
    ("L03 superseded", version_with(status="superseded"), False),
    ("L04 draft", version_with(status="draft"), None),
    ("L05 first moment", version_with(date_created=at("2026-04-15T00:00:00")), False),
    ("L06 one before", version_with(date_created=at("2026-04-14T23:59:59.999")), None),
    ("L07 in workflow", in_workflow(status="review"), None),
    ("L08 was in workflow", in_workflow(date_deleted=CREATED), None),
    ("L09 another version in workflow", another_version_in_workflow, False),
    ("L10 bill run queued", in_bill_run("queued"), None),
    ("L11 bill run processing", in_bill_run("processing"), None),
    ("L12 bill run ready", in_bill_run("ready"), None),
    ("L13 bill run in review", in_bill_run("review"), None),
    ("L14 bill run sent", in_bill_run("sent"), True),
    ("L15 bill run failed", in_bill_run("error"), True),
    ("L16 bill run empty", in_bill_run("empty"), True),
    ("L17 bill run cancelled", in_bill_run("cancel"), True),
    ("L18 created in the future", version_with(date_created=at("2027-01-01")), False),
)


@pytest.mark.parametrize(("arrange", "exists"), [case[1:] for case in CASES],
                         ids=[case[0] for case in CASES])  # fmt: skip
def test_a_version_is_put_into_workflow_as_the_rules_say(
    world: WaterWorld, arrange: Callable[[WaterWorld], None], exists: bool | None
) -> None:
    arrange(world)
    before = len(world.workflows())

    added = add_to_workflow(world.connection, TODAY)

    assert len(world.workflows()) - before == len(added)
    assert [row.data for row in added] == (
        [] if exists is None else [{"chargeVersion": None, "chargeVersionExists": exists}]
    )


def test_the_row_is_what_the_teams_screens_expect(world: WaterWorld) -> None:
    licence = world.licence(licence_ref="28/39/1")
    version = world.version(licence)

    (added,) = add_to_workflow(world.connection, TODAY)

    (row,) = world.workflows()
    now = world.connection.execute("SELECT now() AT TIME ZONE 'UTC'").fetchone()
    assert now is not None
    assert row == {
        "charge_version_workflow_id": added.workflow_id,
        "licence_id": licence,
        "licence_version_id": version,
        "status": "to_setup",
        "data": {"chargeVersion": None, "chargeVersionExists": False},
        "created_by": None,
        "approver_comments": None,
        "date_deleted": None,
        "date_created": now[0],
        "date_updated": now[0],
    }
    assert (added.licence_ref, added.licence_id, added.licence_version_id) == (
        "28/39/1",
        licence,
        version,
    )


def test_l19_two_versions_of_one_licence_are_two_rows(world: WaterWorld) -> None:
    licence = world.licence()
    versions = {world.version(licence, increment=number) for number in (0, 1)}

    assert {row.licence_version_id for row in add_to_workflow(world.connection, TODAY)} == versions


def test_l20_a_second_run_adds_nothing(world: WaterWorld) -> None:
    nothing_else(world)
    add_to_workflow(world.connection, TODAY)

    assert add_to_workflow(world.connection, TODAY) == ()
    assert len(world.workflows()) == 1


def test_l22_a_version_that_a_bill_run_blocked_is_added_when_the_run_is_sent(
    world: WaterWorld,
) -> None:
    in_bill_run("queued")(world)
    assert add_to_workflow(world.connection, TODAY) == ()
    world.connection.execute("UPDATE water.billing_batches SET status = 'sent'")

    (added,) = add_to_workflow(world.connection, TODAY + timedelta(days=1))

    assert added.data["chargeVersionExists"] is True


def test_l23_a_failure_in_the_middle_leaves_no_row(domains_url: str) -> None:
    with psycopg.connect(domains_url) as connection:
        world = WaterWorld(connection)
        for _ in range(4):
            nothing_else(world)
        connection.execute("""
            CREATE FUNCTION water.fail_at_third() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF (SELECT count(*) FROM water.charge_version_workflows) >= 2 THEN
                    RAISE EXCEPTION 'the third row';
                END IF;
                RETURN NEW;
            END $$""")
        connection.execute("""
            CREATE TRIGGER fail_at_third BEFORE INSERT ON water.charge_version_workflows
            FOR EACH ROW EXECUTE FUNCTION water.fail_at_third()""")

    with (
        pytest.raises(psycopg.errors.RaiseException, match="the third row"),
        psycopg.connect(domains_url) as connection,
    ):
        add_to_workflow(connection, TODAY)

    with psycopg.connect(domains_url) as connection:
        assert WaterWorld(connection).workflows() == []


def test_l24_the_window_ends_at_the_last_day_of_a_short_month(world: WaterWorld) -> None:
    world.version(world.licence(), date_created=at("2026-02-28T12:00:00"))

    assert len(add_to_workflow(world.connection, date(2026, 4, 30))) == 1


@pytest.mark.parametrize("_round", range(3))
def test_l21_runs_at_the_same_time_add_each_version_once(domains_url: str, _round: int) -> None:
    with psycopg.connect(domains_url) as connection:
        world = WaterWorld(connection)
        for _ in range(200):
            nothing_else(world)
    start = Barrier(3)

    def run() -> int:
        with psycopg.connect(domains_url) as connection:
            start.wait()
            return len(add_to_workflow(connection, TODAY))

    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(run) for _ in range(3)]
        counts = [one.result() for one in runs]

    assert sum(counts) == 200
    with psycopg.connect(domains_url) as connection:
        assert len(WaterWorld(connection).workflows()) == 200


def test_a_run_that_starts_during_another_waits_and_adds_nothing(domains_url: str) -> None:
    with psycopg.connect(domains_url) as connection:
        nothing_else(WaterWorld(connection))
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(domains_url) as first,
        psycopg.connect(domains_url) as second,
        psycopg.connect(domains_url, autocommit=True) as watcher,
    ):
        assert len(add_to_workflow(first, TODAY)) == 1
        late = pool.submit(add_to_workflow, second, TODAY)
        waits = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
        blocked = (second.info.backend_pid,)
        wait_until(lambda: watcher.execute(waits, blocked).fetchone() == (True,))
        first.commit()

        assert late.result() == ()


def test_the_window_is_two_calendar_months_on_every_day_of_four_centuries(
    world: WaterWorld,
) -> None:
    days = world.connection.execute("""
        SELECT day::date, (day - interval '2 months')::date
        FROM generate_series(timestamp '1900-01-01', timestamp '2299-12-31', '1 day') AS day
    """).fetchall()

    assert all(window_start(day) == start for day, start in days)
    assert window_start(date(2028, 4, 30)) == date(2028, 2, 29)
    assert calendar.isleap(2028)
