"""The two daily jobs that put licences in front of the Billing and Data team."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import Literal

from pydantic import Field

from worker.clients.db import Connection, cancel
from worker.clients.domains import LOCK_WAIT_S, DomainDatabase
from worker.jobs.context import JobContext
from worker.jobs.notices import Notices
from worker.jobs.scheduled import ScheduledRequest, ScheduledResult, ScheduledType, Summaries
from worker.settings import WATER_LICENCE_UPDATES, WATER_TIME_LIMITED
from worker.water import licence_updates, time_limited
from worker.water.workflow import Workflow

# Both write to one table, and the second job leaves out what the first one has put there.
_ONE_AT_A_TIME = "water.workflow"
# A first run may put thousands of versions into workflow; all of them are in the table itself.
_LISTED = 500


class LicenceUpdatesRequest(ScheduledRequest):
    """The schedule's message: put new licence versions into workflow."""

    job_type: Literal["water.licence-updates"] = Field(exclude=True)


class TimeLimitedRequest(ScheduledRequest):
    """The schedule's message: put licences with a time limit that ends soon into workflow."""

    job_type: Literal["water.time-limited"] = Field(exclude=True)


class WorkflowResult(ScheduledResult):
    """How many rows this run has added to the workflow, and the first 500 of them."""

    run_date: date
    count: int
    added: tuple[Workflow, ...]

    def counts(self) -> Mapping[str, int]:
        return {"count": self.count}


Add = Callable[[Connection, date], tuple[Workflow, ...]]


def licence_updates_type(
    database: DomainDatabase, notices: Notices
) -> ScheduledType[LicenceUpdatesRequest]:
    """The job type ``water.licence-updates``."""
    return ScheduledType(
        WATER_LICENCE_UPDATES,
        LicenceUpdatesRequest,
        partial(_perform, database, licence_updates.add_to_workflow),
        notices,
        Summaries("Licence updates job complete", "Licence updates job failed"),
    )


def time_limited_type(
    database: DomainDatabase, notices: Notices
) -> ScheduledType[TimeLimitedRequest]:
    """The job type ``water.time-limited``."""
    return ScheduledType(
        WATER_TIME_LIMITED,
        TimeLimitedRequest,
        partial(_perform, database, time_limited.add_to_workflow),
        notices,
        Summaries("Time limited job complete", "Time limited job failed"),
    )


def _perform(
    database: DomainDatabase, add: Add, request: ScheduledRequest, context: JobContext
) -> WorkflowResult:
    with (
        database.single_flight(_ONE_AT_A_TIME, wait_s=LOCK_WAIT_S),
        database.connection() as connection,
        context.interruption.abortable(partial(cancel, connection)),
    ):
        added = add(connection, request.run_date)
    return WorkflowResult(run_date=request.run_date, count=len(added), added=added[:_LISTED])
