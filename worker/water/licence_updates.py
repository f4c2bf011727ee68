"""New or changed licences, put into workflow once, so that somebody looks before they are billed.

While a licence is in workflow it is not billed. A version that was ever there, and taken out
again, stays out.
"""

from __future__ import annotations

import calendar
from datetime import date

from worker.clients.db import Connection
from worker.water.workflow import Workflow, add

# A version that a bill run blocks today has to be reachable still when that bill run is sent.
_WINDOW_MONTHS = 2


def window_start(run_date: date) -> date:
    """Two calendar months earlier, at most the last day of that month.

    Versions count from the start of that day, in the clock of their ``date_created``.
    """
    months = run_date.year * 12 + run_date.month - 1 - _WINDOW_MONTHS
    year, month = divmod(months, 12)
    last_day = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(run_date.day, last_day))


def add_to_workflow(connection: Connection, run_date: date) -> tuple[Workflow, ...]:
    """Put every licence version into workflow that needs it; returns what was added."""
    return add(
        connection,
        "add_new_licence_versions",
        candidates="new_licence_versions",
        parameters={"window_start": window_start(run_date)},
    )
