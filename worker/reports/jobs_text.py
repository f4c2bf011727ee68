"""The ledger on a terminal: a table of jobs, and one job's story."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from worker.ledger.models import Intervention, JobRow
from worker.ledger.queries import JobStory


def jobs_table(jobs: Sequence[JobRow]) -> Table:
    """One row a job."""
    table = Table(
        "job", "type", "status", "attempts", "error", "correlation id", "created", "pending",
        box=None,
    )  # fmt: skip
    for job in jobs:
        table.add_row(
            escape(job.key),
            job.type,
            job.status,
            f"{job.attempts}/{job.max_attempts}",
            job.error_code or "",
            escape(job.correlation_id),
            f"{job.created_at:%Y-%m-%d %H:%M:%S}",
            str(job.deliveries_pending or ""),
        )
    return table


def print_story(story: JobStory, console: Console) -> None:
    """Attempts, deliveries, errors and the versions of the data, in the order of events."""
    job = story.job
    console.print(f"[bold]{escape(job.key)}[/bold]  {job.type}  {job.status}")
    console.print(f"correlation id {escape(job.correlation_id)}")
    console.print(f"created {job.created_at:%Y-%m-%d %H:%M:%S}  finished {_when(job)}")
    if job.error_code:
        console.print(f"error {job.error_code}: {escape(job.error_sentence or '')}")
    for number, attempt in enumerate(story.attempts, start=1):
        versions = " ".join(f"{name}={one}" for name, one in attempt.reference_versions.items())
        console.print(
            f"attempt {number}  {attempt.claimed_at:%H:%M:%S}  {attempt.worker_id}"
            f"  {attempt.outcome or 'running'}  {attempt.error_code or ''}"
        )
        if attempt.error_detail:
            console.print(f"  {escape(attempt.error_detail)}")
        if versions:
            console.print(f"  reference data {versions}", soft_wrap=True)
    for one in story.deliveries:
        console.print(
            f"delivery {one.slot}  {one.kind}  {one.status}  attempts {one.attempts}"
            f"  {one.error_code or ''}"
        )
    print_interventions(story.interventions, console)
    console.print("result stored" if story.result is not None else "no result")


def print_interventions(interventions: Sequence[Intervention], console: Console) -> None:
    """What operators did, one line each."""
    for one in interventions:
        message = f"message {one.message_id}  " if one.message_id else ""
        console.print(
            f"operator {one.action}  {one.made_at:%Y-%m-%d %H:%M:%S}  by {escape(one.made_by)}"
            f"  {message}{escape(one.note or '')}",
            soft_wrap=True,
        )


def _when(job: JobRow) -> str:
    return f"{job.finished_at:%Y-%m-%d %H:%M:%S}" if job.finished_at else "-"
