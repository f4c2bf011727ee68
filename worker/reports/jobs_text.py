"""The ledger on a terminal: a list of jobs, and one job's story."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.markup import escape

from worker.ledger.models import Intervention, JobRow
from worker.ledger.queries import AttemptRow, DeliveryRow, JobStory
from worker.logs.printing import printable_line
from worker.reports.result_text import result_lines
from worker.settings import IMPACT_ASSESSMENT


def print_jobs(jobs: Sequence[JobRow], console: Console) -> None:
    """Lines rather than a table: ids have to be copied whole, and a quote's is 75 long."""
    for job in jobs:
        pending = f"  deliveries pending {job.deliveries_pending}" if job.deliveries_pending else ""
        for line in (
            f"{job.key}  {job.type}  {job.status}  attempts {job.attempts} of {job.max_attempts}",
            f"  created {_moment(job.created_at)}{pending}  {job.error_code or ''}".rstrip(),
            f"  correlation id {job.correlation_id}",
        ):
            console.print(printable_line(line), markup=False, highlight=False, soft_wrap=True)


def print_story(story: JobStory, console: Console) -> None:
    """Messages, attempts with their leases, result, deliveries, errors: as they came."""
    job = story.job
    console.print(f"[bold]{_safe(job.key)}[/bold]  {job.type}  {job.status}", soft_wrap=True)
    console.print(f"correlation id {_safe(job.correlation_id)}", soft_wrap=True)
    console.print(
        f"created {_moment(job.created_at)}  finished {_moment(job.finished_at)}"
        f"  attempts {job.attempts} of {job.max_attempts}"
    )
    if job.error_code:
        console.print(f"error {job.error_code}: {_safe(job.error_sentence or '')}", soft_wrap=True)
    for message in story.messages:
        console.print(
            f"message {_safe(message.message_id)}"
            f"  first received {_moment(message.first_received_at)}",
            soft_wrap=True,
        )
    for number, attempt in enumerate(story.attempts, start=1):
        _print_attempt(number, attempt, console)
    _print_result(story, console)
    for one in story.deliveries:
        _print_delivery(one, console)
    print_interventions(story.interventions, console)


def _print_attempt(number: int, attempt: AttemptRow, console: Console) -> None:
    console.print(
        f"attempt {number}  {attempt.outcome or 'running'}"
        f"  {_moment(attempt.claimed_at)} to {_moment(attempt.completed_at)}"
        f"  by {_safe(attempt.worker_id)}  {attempt.error_code or ''}",
        soft_wrap=True,
    )
    if attempt.error_detail:
        _print_detail(attempt.error_detail, console)
    if attempt.completed_at is None:
        console.print(
            f"  lease {'held' if attempt.held else 'passed'}:"
            f" renewed {_moment(attempt.renewed_at)}, ends {_moment(attempt.expires_at)}"
        )
    if attempt.reference_versions:
        versions = " ".join(f"{name}={one}" for name, one in attempt.reference_versions.items())
        console.print(f"  reference data {versions}", soft_wrap=True)


def _print_detail(detail: str, console: Console) -> None:
    # That of a load has a line for each finding.
    for line in detail.split("\n"):
        console.print(f"  {_safe(line)}", soft_wrap=True)


def _print_result(story: JobStory, console: Console) -> None:
    if story.result_stored_at is None:
        console.print("no result")
        return
    console.print(f"result stored {_moment(story.result_stored_at)}")
    # Reports and the backend show an assessment's figures, which are a document of their own.
    if story.result is not None and story.job.type != IMPACT_ASSESSMENT:
        for line in result_lines(story.result):
            console.print(f"  {_safe(line)}", soft_wrap=True, highlight=False)


def _print_delivery(one: DeliveryRow, console: Console) -> None:
    console.print(
        f"delivery {one.slot}  {one.kind}  {one.status}  attempts {one.attempts}"
        f"  {one.error_code or ''}",
        soft_wrap=True,
    )
    if one.status == "PENDING":
        console.print(
            f"  since {_moment(one.created_at)}, next try {_moment(one.next_attempt_at)}"
            f"{'' if one.required else ', not required'}"
        )
    if one.delivered_at:
        response = one.response or {}
        told = " ".join(f"{name}={value}" for name, value in response.items() if value)
        console.print(f"  delivered {_moment(one.delivered_at)}  {_safe(told)}", soft_wrap=True)
    if one.error_detail:
        _print_detail(one.error_detail, console)
    console.print(f"  reference {one.reference}")


def print_interventions(interventions: Sequence[Intervention], console: Console) -> None:
    """What operators did, one line each."""
    for one in interventions:
        message = f"message {one.message_id}  " if one.message_id else ""
        console.print(
            f"operator {one.action}  {one.made_at:%Y-%m-%d %H:%M:%S}  by {_safe(one.made_by)}"
            f"  {message}{_safe(one.note or '')}",
            soft_wrap=True,
        )


def _safe(text: str) -> str:
    """``text`` that came from outside: in one line, without markup and control characters."""
    return escape(printable_line(text))


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else "-"
