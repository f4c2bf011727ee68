"""Licences of which a purpose's time limit ends soon, put into workflow for a review in time.

There is no memory here: a licence that was taken out of workflow and not changed comes back the
next evening.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from worker.clients.db import Connection
from worker.water.workflow import Workflow, add, read

_NOTICE = timedelta(days=50)
_CANDIDATES = "licences_with_ending_elements"


@dataclass(frozen=True, slots=True)
class EndingLicence:
    """A licence with an element that ends soon, with what speaks against a workflow row.

    The versions are those that the row would name.
    """

    licence_id: UUID
    licence_ref: str
    licence_version_id: UUID
    charge_version_id: UUID
    time_limited_end_date: date
    has_ended: bool
    is_in_workflow: bool

    @property
    def is_due(self) -> bool:
        return not (self.has_ended or self.is_in_workflow)


def ends_before(run_date: date) -> date:
    """An element that ends before this date needs a review now."""
    return run_date + _NOTICE


def candidates(connection: Connection, run_date: date) -> tuple[EndingLicence, ...]:
    """Every licence with an element that ends soon or has ended; changes nothing."""
    return read(connection, EndingLicence, _CANDIDATES, _parameters(run_date))


def add_to_workflow(connection: Connection, run_date: date) -> tuple[Workflow, ...]:
    """Put every licence into workflow that needs it, once a licence; returns what was added."""
    return add(
        connection,
        "add_ending_licences",
        candidates=_CANDIDATES,
        parameters=_parameters(run_date),
    )


def _parameters(run_date: date) -> Mapping[str, object]:
    return {"run_date": run_date, "ends_before": ends_before(run_date)}
