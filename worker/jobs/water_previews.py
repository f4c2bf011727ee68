"""What the two workflow jobs would do on days to come, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from uuid import UUID

from worker.clients.db import Connection
from worker.jobs.preview import NOTHING, PreviewDay, PreviewLine
from worker.water import licence_updates, time_limited
from worker.water.licence_updates import NewVersion
from worker.water.time_limited import EndingLicence

_ADD = "add to workflow"


def preview_licence_updates(connection: Connection, days: tuple[date, ...]) -> Iterator[PreviewDay]:
    """Versions that would be added, and those that a bill run keeps out for the time being.

    Drafts and versions that were in workflow before are no news, so they are not shown.
    """
    shown: set[UUID] = set()
    for day in days:
        versions = sorted(
            (
                version
                for version in licence_updates.candidates(connection, day)
                if not (version.is_draft or version.was_in_workflow)
                and version.licence_version_id not in shown
            ),
            key=lambda version: (version.licence_ref or "", version.issue, version.increment),
        )
        shown.update(version.licence_version_id for version in versions)
        yield PreviewDay(day, tuple(map(new_version_line, versions)))


def preview_time_limited(connection: Connection, days: tuple[date, ...]) -> Iterator[PreviewDay]:
    """Licences that would be added, and those that are in workflow already.

    A licence that is shown once is taken to stay in workflow for the rest of the days.
    """
    shown: set[UUID] = set()
    for day in days:
        licences = sorted(
            (
                licence
                for licence in time_limited.candidates(connection, day)
                if not licence.has_ended and licence.licence_id not in shown
            ),
            key=lambda licence: licence.licence_ref,
        )
        shown.update(licence.licence_id for licence in licences)
        yield PreviewDay(day, tuple(map(ending_licence_line, licences)))


def new_version_line(version: NewVersion) -> PreviewLine:
    """What the licence updates do with a version, and why."""
    created = f"created {version.date_created:%Y-%m-%d}"
    if version.is_draft:
        reason = "a draft"
    elif version.was_in_workflow:
        reason = "in workflow already, now or before"
    elif version.is_being_billed:
        reason = f"{created}, but its licence is in a bill run that is not finished"
    elif version.charge_version_exists:
        reason = f"{created}; its charge information has to be checked"
    else:
        reason = f"{created}; it has no charge information yet"
    return PreviewLine(
        f"licence {version.licence_ref or version.licence_id}"
        f" version {version.issue}.{version.increment}",
        _ADD if version.is_due else NOTHING,
        reason,
    )


def ending_licence_line(licence: EndingLicence) -> PreviewLine:
    """What the time limits do with a licence, and why."""
    ends = f"an element ends {licence.time_limited_end_date}"
    if licence.has_ended:
        reason = f"{ends}, but the licence has expired, lapsed or been revoked"
    elif licence.is_in_workflow:
        reason = f"{ends}, and the licence is in workflow already"
    else:
        reason = ends
    return PreviewLine(
        f"licence {licence.licence_ref}", _ADD if licence.is_due else NOTHING, reason
    )
