"""Licences of which a purpose's time limit ends soon, put into workflow for a review in time.

There is no memory here: a licence that was taken out of workflow and not changed comes back the
next evening.
"""

from __future__ import annotations

from datetime import date, timedelta

from worker.clients.db import Connection
from worker.water.workflow import Workflow, add

_NOTICE = timedelta(days=50)


def ends_before(run_date: date) -> date:
    """An element that ends before this date needs a review now."""
    return run_date + _NOTICE


def add_to_workflow(connection: Connection, run_date: date) -> tuple[Workflow, ...]:
    """Put every licence into workflow that needs it, once a licence; returns what was added."""
    return add(
        connection,
        "add_ending_licences",
        candidates="licences_with_ending_elements",
        parameters={"run_date": run_date, "ends_before": ends_before(run_date)},
    )
