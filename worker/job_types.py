"""Every job type that the worker knows, made of its settings and clients."""

from __future__ import annotations

from worker.boundary.sandbox import Sandbox
from worker.clients.db import Database
from worker.clients.domains import database_of
from worker.clients.s3 import BoundaryStore, ReferenceStore
from worker.jobs import impact_assessment, reference_load
from worker.jobs.notices import Notices
from worker.jobs.registry import JobType, Registry
from worker.jobs.water_workflow import licence_updates_type, time_limited_type
from worker.settings import Settings


def registry(
    settings: Settings,
    database: Database,
    store: BoundaryStore,
    sandbox: Sandbox,
    notices: Notices,
) -> Registry:
    """The job types that WORKER_JOB_TYPES names."""
    known: tuple[JobType, ...] = (
        impact_assessment.ImpactAssessments(
            impact_assessment.Tools(settings, database, store, sandbox, notices)
        ),
        reference_load.ReferenceLoads(
            reference_load.Tools(settings, database, ReferenceStore(settings.aws), notices)
        ),
        *scheduled(settings, notices),
    )
    wanted = settings.worker.worker_job_types
    return Registry(tuple(one for one in known if one.name in wanted))


def scheduled(settings: Settings, notices: Notices) -> tuple[JobType, ...]:
    """The types that a schedule starts; connects to nothing."""
    water = database_of("water", settings)
    return (
        licence_updates_type(water, notices),
        time_limited_type(water, notices),
    )
