"""Licences of which each shows one rule of the two workflow jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import psycopg

from worker.demo.water_world import WaterWorld
from worker.jobs.water_previews import ending_licence_line, new_version_line
from worker.settings import WATER_LICENCE_UPDATES, WATER_TIME_LIMITED
from worker.water import licence_updates, time_limited

RUN_DATE = date(2026, 6, 15)
_BEFORE_THE_WINDOW = datetime(2026, 3, 1)  # noqa: DTZ001 - the column has no time zone


@dataclass(frozen=True, slots=True)
class Story:
    """A licence, what there is to know about it, and whether it belongs into workflow.

    ``passed_over``: why it does not, where the job does not even look at it.
    """

    licence_ref: str
    tells: str
    build: Callable[[WaterWorld, UUID], object]
    due: bool
    passed_over: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What has become of a story's licence: whether it has a row, and the rule that decides."""

    story: Story
    in_workflow: bool
    why: str


def _new(world: WaterWorld, licence: UUID) -> None:
    world.version(licence)


def _charged(world: WaterWorld, licence: UUID) -> None:
    world.version(licence, status="superseded")
    world.charge_version(licence)


def _draft(world: WaterWorld, licence: UUID) -> None:
    world.version(licence, status="draft")


def _old(world: WaterWorld, licence: UUID) -> None:
    world.version(licence, date_created=_BEFORE_THE_WINDOW)


def _done_with(world: WaterWorld, licence: UUID) -> None:
    world.workflow(licence, world.version(licence), date_deleted=datetime(2026, 6, 8))  # noqa: DTZ001


def _billed(world: WaterWorld, licence: UUID) -> None:
    world.version(licence)
    world.bill_run(world.charge_version(licence, scheme="alcs"), "review")


def _ending(ends: date) -> Callable[[WaterWorld, UUID], UUID]:
    def build(world: WaterWorld, licence: UUID) -> UUID:
        version = world.version(licence, date_created=_BEFORE_THE_WINDOW)
        world.element(world.reference(world.charge_version(licence)), ends)
        return version

    return build


def _revoked(world: WaterWorld, licence: UUID) -> None:
    _ending(date(2026, 7, 1))(world, licence)
    world.connection.execute(
        "UPDATE water.licences SET revoked_date = '2026-12-31' WHERE licence_id = %s", (licence,)
    )


def _in_workflow(world: WaterWorld, licence: UUID) -> None:
    world.workflow(licence, _ending(date(2026, 7, 1))(world, licence))


_NEW_VERSIONS = (
    Story("01/001", "imported on 1 June", _new, due=True),
    Story("01/002", "imported on 1 June, replaced, charged", _charged, due=True),
    Story("01/003", "imported on 1 June, a draft", _draft, due=False),
    Story(
        "01/004", "imported on 1 March", _old, due=False,
        passed_over=f"created before {licence_updates.window_start(RUN_DATE)}",
    ),
    Story("01/005", "the team has finished with it", _done_with, due=False),
    Story("01/006", "its bill run is in review", _billed, due=False),
)  # fmt: skip
_TIME_LIMITS = (
    Story("02/001", "an element ends 49 days later", _ending(date(2026, 8, 3)), due=True),
    Story(
        "02/002", "an element ends 50 days later", _ending(date(2026, 8, 4)), due=False,
        passed_over=f"no element ends before {time_limited.ends_before(RUN_DATE)}",
    ),
    Story("02/003", "an element has ended long ago", _ending(date(2020, 1, 1)), due=True),
    Story("02/004", "to be revoked at the end of the year", _revoked, due=False),
    Story("02/005", "the team is working on it", _in_workflow, due=False),
)  # fmt: skip
STORIES: Mapping[str, tuple[Story, ...]] = {
    WATER_LICENCE_UPDATES: _NEW_VERSIONS,
    WATER_TIME_LIMITED: _TIME_LIMITS,
}


def seed(database_url: str) -> Mapping[str, str]:
    """Write every story's rows; by licence, the reason that the job's preview gives."""
    with psycopg.connect(database_url) as connection:
        world = WaterWorld(connection)
        for story in (*_NEW_VERSIONS, *_TIME_LIMITS):
            story.build(world, world.licence(licence_ref=story.licence_ref))
        return {
            version.licence_ref or "": new_version_line(version).reason
            for version in licence_updates.candidates(connection, RUN_DATE)
        } | {
            licence.licence_ref: ending_licence_line(licence).reason
            for licence in time_limited.candidates(connection, RUN_DATE)
        }


def decisions(
    database_url: str, stories: tuple[Story, ...], reasons: Mapping[str, str]
) -> tuple[Decision, ...]:
    """What has become of each licence, read from the workflow itself."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("""
            SELECT licence_ref
            FROM water.charge_version_workflows
            JOIN water.licences USING (licence_id)
            WHERE status = 'to_setup'
        """).fetchall()
    added = {row[0] for row in rows}
    return tuple(
        Decision(
            story, story.licence_ref in added, reasons.get(story.licence_ref, story.passed_over)
        )
        for story in stories
    )
