"""New or changed licences, put into workflow once, so that somebody looks before they are billed.

While a licence is in workflow it is not billed. A version that was ever there, and taken out
again, stays out.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from worker.clients.db import Connection
from worker.water.workflow import Workflow, add, read

# A version that a bill run blocks today has to be reachable still when that bill run is sent.
_WINDOW_MONTHS = 2
_CANDIDATES = "new_licence_versions"


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A licence version in the window, with what speaks against putting it into workflow."""

    licence_version_id: UUID
    licence_id: UUID
    licence_ref: str | None
    issue: int
    increment: int
    date_created: datetime
    is_draft: bool
    was_in_workflow: bool
    is_being_billed: bool
    charge_version_exists: bool

    @property
    def is_due(self) -> bool:
        return not (self.is_draft or self.was_in_workflow or self.is_being_billed)


def window_start(run_date: date) -> date:
    """Two calendar months earlier, at most the last day of that month.

    Versions count from the start of that day, in the clock of their ``date_created``.
    """
    months = run_date.year * 12 + run_date.month - 1 - _WINDOW_MONTHS
    year, month = divmod(months, 12)
    last_day = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(run_date.day, last_day))


def candidates(connection: Connection, run_date: date) -> tuple[NewVersion, ...]:
    """Every licence version of the window; changes nothing."""
    return read(connection, NewVersion, _CANDIDATES, _parameters(run_date))


def add_to_workflow(connection: Connection, run_date: date) -> tuple[Workflow, ...]:
    """Put every licence version into workflow that needs it; returns what was added."""
    return add(
        connection,
        "add_new_licence_versions",
        candidates=_CANDIDATES,
        parameters=_parameters(run_date),
    )


def _parameters(run_date: date) -> Mapping[str, object]:
    return {"window_start": window_start(run_date)}
