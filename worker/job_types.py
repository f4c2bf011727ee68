"""Every job type that the worker knows, made of its settings and clients."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from worker.boundary.sandbox import Sandbox
from worker.clients.db import Database
from worker.clients.domains import database_of
from worker.clients.s3 import BoundaryStore, ReferenceStore
from worker.jobs import annual_review, impact_assessment, reference_load
from worker.jobs.annual_review_preview import preview_batch, preview_worker
from worker.jobs.notices import Notices
from worker.jobs.preview import Preview
from worker.jobs.registry import JobType, Registry
from worker.jobs.water_export import export_type, preview_export
from worker.jobs.water_previews import preview_licence_updates, preview_time_limited
from worker.jobs.water_workflow import licence_updates_type, time_limited_type
from worker.settings import (
    ANNUAL_REVIEW_BATCH,
    ANNUAL_REVIEW_WORKER,
    WATER_EXPORT,
    WATER_LICENCE_UPDATES,
    WATER_TIME_LIMITED,
    Settings,
)


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
    reviews = annual_review.Reviews(settings, database_of("lists", settings))
    return (
        export_type(settings, water, notices),
        licence_updates_type(water, notices),
        time_limited_type(water, notices),
        annual_review.batch_type(reviews, notices),
        annual_review.worker_type(reviews, notices),
    )


def previews(settings: Settings) -> Mapping[str, Preview]:
    """By job type: how to find out what its runs would do."""
    water = database_of("water", settings)
    lists = database_of("lists", settings)
    return {
        WATER_EXPORT: Preview(water, partial(preview_export, settings.export)),
        WATER_LICENCE_UPDATES: Preview(water, preview_licence_updates),
        WATER_TIME_LIMITED: Preview(water, preview_time_limited),
        ANNUAL_REVIEW_BATCH: Preview(lists, preview_batch),
        ANNUAL_REVIEW_WORKER: Preview(lists, preview_worker),
    }
