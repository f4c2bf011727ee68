"""The annual review of lists: the morning's batch plans it, the worker carries the plans out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Annotated, Literal

from pydantic import Field

from worker.clients.db import cancel
from worker.clients.domains import DomainDatabase
from worker.clients.notify import NotifyClient
from worker.errors import ConfigurationError, PermanentError
from worker.jobs.context import JobContext
from worker.jobs.notices import Notices
from worker.jobs.scheduled import ScheduledRequest, ScheduledResult, ScheduledType, Summaries
from worker.lists.batch import run_batch
from worker.lists.letters import Letters
from worker.lists.milestones import Milestone
from worker.lists.review import ReviewRun
from worker.lists.sender import Mailer, Sender
from worker.lists.walk import Problem
from worker.settings import (
    ANNUAL_REVIEW_BATCH,
    ANNUAL_REVIEW_WORKER,
    AnnualReviewSettings,
    Settings,
)

_MAX_LISTS = 1_000
# A request to Notify may take its time limit to connect and once more to be answered.
_SETTLED_AFTER_LIMITS = 2.0

ListId = Annotated[int, Field(ge=1, le=2_147_483_647, strict=True)]


class AnnualReviewRequest(ScheduledRequest):
    """What both messages have; the rules work with ``runDate`` only."""

    list_ids: tuple[ListId, ...] | None = Field(
        None, min_length=1, max_length=_MAX_LISTS, description="these lists only; default all"
    )

    @property
    def moment(self) -> datetime:
        """What events of the run are dated: its date, at the time of day of the schedule (UTC)."""
        return datetime.combine(self.run_date, self.scheduled_time.timetz())


class BatchRequest(AnnualReviewRequest):
    """The schedule's message: decide which lists enter review."""

    job_type: Literal["lists.annual-review.batch"] = Field(exclude=True)


class WorkerRequest(AnnualReviewRequest):
    """The schedule's message: do what is due in the reviews that are under way."""

    job_type: Literal["lists.annual-review.worker"] = Field(exclude=True)


class SkippedList(ScheduledResult):
    """A list whose data nobody can work with, and the code that says why."""

    list_id: int
    code: str


class BatchResult(ScheduledResult):
    """Ids of the lists that got a first start date, a plan, a later start, other entries.

    ``items_left_out``: ids of entries that take no part because they are blocked or have no
    e-mail address.
    """

    run_date: date
    lists: int
    dated: tuple[int, ...]
    planned: tuple[int, ...]
    moved: tuple[int, ...]
    changed: tuple[int, ...]
    items_left_out: tuple[int, ...]
    skipped: tuple[SkippedList, ...]

    def counts(self) -> Mapping[str, int]:
        return {
            "lists": self.lists,
            "dated": len(self.dated),
            "planned": len(self.planned),
            "changed": len(self.changed),
            "skipped": len(self.skipped),
        }


class WorkerResult(ScheduledResult):
    """What a run has done: lists that started and closed, entries, e-mails by milestone."""

    run_date: date
    lists: int
    started: tuple[int, ...]
    items_started: int
    closed: tuple[int, ...]
    items_taken_off: int
    emails: dict[str, int]
    emails_rejected: int
    emails_suppressed: int
    emails_given_up: int
    skipped: tuple[SkippedList, ...]

    def counts(self) -> Mapping[str, int]:
        return {
            "lists": self.lists,
            "started": len(self.started),
            "closed": len(self.closed),
            "items_taken_off": self.items_taken_off,
            "emails": sum(self.emails.values()),
            "emails_rejected": self.emails_rejected,
            "emails_suppressed": self.emails_suppressed,
            "emails_given_up": self.emails_given_up,
            "skipped": len(self.skipped),
        }


@dataclass(frozen=True, slots=True)
class Reviews:
    """Both jobs, with what they work with."""

    settings: Settings
    database: DomainDatabase

    def batch(self, request: AnnualReviewRequest, context: JobContext) -> BatchResult:
        """Give first start dates and store plans."""
        interruption = context.interruption
        with (
            self.database.connection() as connection,
            interruption.abortable(partial(cancel, connection)),
        ):
            connection.autocommit = True
            report = run_batch(
                connection,
                today=request.run_date,
                at=request.moment,
                only=request.list_ids,
                checkpoint=interruption.checkpoint,
            )
        return BatchResult(
            run_date=request.run_date,
            lists=report.lists,
            dated=tuple(report.dated),
            planned=tuple(report.planned),
            moved=tuple(report.moved),
            changed=tuple(report.changed),
            items_left_out=tuple(report.without_address),
            skipped=_skipped(report.skipped),
        )

    def worker(self, request: AnnualReviewRequest, context: JobContext) -> WorkerResult:
        """Send and change what is due; raises PermanentError ``annual_review_not_configured``."""
        settings = self.settings
        mailer = _mailer(settings)
        letters = letters_of(settings.annual_review)
        interruption = context.interruption
        sender = Sender(
            mailer,
            today=request.run_date,
            at=request.moment,
            settle_s=_SETTLED_AFTER_LIMITS * settings.notify.govuk_notify_timeout_seconds,
            pause=interruption.pause,
            checkpoint=interruption.checkpoint,
        )
        with (
            self.database.connection() as connection,
            interruption.abortable(partial(cancel, connection)),
        ):
            connection.autocommit = True
            run = ReviewRun(
                connection,
                letters,
                sender,
                today=request.run_date,
                at=request.moment,
                checkpoint=interruption.checkpoint,
            )
            report = run.perform(request.list_ids, keep_days=settings.worker.retention_days)
        sent = report.mails.sent
        return WorkerResult(
            run_date=request.run_date,
            lists=report.lists,
            started=tuple(report.started),
            items_started=report.items_started,
            closed=tuple(report.closed),
            items_taken_off=report.items_taken_off,
            emails={one.value: sent[one] for one in Milestone if sent[one]},
            emails_rejected=report.mails.rejected,
            emails_suppressed=report.mails.suppressed,
            emails_given_up=report.given_up,
            skipped=_skipped(report.skipped),
        )


def batch_type(reviews: Reviews, notices: Notices) -> ScheduledType[BatchRequest]:
    """The job type ``lists.annual-review.batch``."""
    return ScheduledType(
        ANNUAL_REVIEW_BATCH,
        BatchRequest,
        reviews.batch,
        notices,
        Summaries("Annual review batch complete", "Annual review batch failed"),
    )


def worker_type(reviews: Reviews, notices: Notices) -> ScheduledType[WorkerRequest]:
    """The job type ``lists.annual-review.worker``."""
    return ScheduledType(
        ANNUAL_REVIEW_WORKER,
        WorkerRequest,
        reviews.worker,
        notices,
        Summaries("Annual review worker complete", "Annual review worker failed"),
    )


def letters_of(settings: AnnualReviewSettings) -> Letters:
    """The e-mails' templates; raises PermanentError ``annual_review_not_configured``."""
    missing = settings.missing()
    if missing:
        raise _not_configured(f"{', '.join(missing)} must be set")
    weekly = settings.govuk_notify_annual_review_provider_started
    return Letters(
        templates={
            **dict.fromkeys((one for one in Milestone if one.week is not None), weekly),
            Milestone.PROVIDER_STARTED: weekly,
            Milestone.POST_ONE_MONTH: settings.govuk_notify_annual_review_post_one_month_notice,
            Milestone.POST_ONE_WEEK: settings.govuk_notify_annual_review_post_one_week_notice,
            Milestone.POST_ONE_DAY: settings.govuk_notify_annual_review_post_one_day_notice,
            Milestone.POST_STARTED: settings.govuk_notify_annual_review_post_started,
            Milestone.PROVIDER_ONE_DAY: settings.govuk_notify_unpublish_provider_one_day_notice,
            Milestone.POST_UNPUBLISH_ONE_DAY: settings.govuk_notify_unpublish_post_one_day_notice,
            Milestone.PROVIDER_UNPUBLISHED: settings.govuk_notify_unpublished_provider_notice,
            Milestone.POST_UNPUBLISHED: settings.govuk_notify_unpublished_post_notice,
        },
        service_domain=settings.lists_service_domain,
    )


def _mailer(settings: Settings) -> Mailer:
    own = settings.annual_review.lists_govuk_notify_api_key
    notify = settings.notify
    if own is not None:
        notify = notify.model_copy(update={"govuk_notify_api_key": own})
    try:
        return NotifyClient(notify, settings.runtime)
    except ConfigurationError as error:
        raise _not_configured("; ".join(error.problems)) from error


def _not_configured(why: str) -> PermanentError:
    return PermanentError(
        "annual_review_not_configured", f"The worker is not set up for annual reviews: {why}."
    )


def _skipped(problems: list[Problem]) -> tuple[SkippedList, ...]:
    return tuple(SkippedList(list_id=one.list_id, code=one.code) for one in problems)
