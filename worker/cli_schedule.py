"""What operators ask of scheduled jobs: what they would do, and a run that was missed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from worker import errors
from worker.cli_tools import console, read_settings

app = typer.Typer(help="Jobs that a schedule starts.", no_args_is_help=True)

JobName = Annotated[str, typer.Argument(metavar="JOB", help="A job type, water.time-limited say.")]


@app.command("preview")
def preview_job(
    job: JobName,
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First date.")],
    days: Annotated[int, typer.Option(min=1, max=400, help="How many days.")] = 1,
) -> None:
    """What a job would do on each day, as the data are now; writes and sends nothing."""
    from worker.job_types import previews
    from worker.jobs.preview_table import preview_table
    from worker.jobs.scheduled import FIRST_YEAR, LAST_YEAR

    known = previews(read_settings())
    if job not in known:
        raise typer.BadParameter(f"JOB is one of {', '.join(known)}")
    if not FIRST_YEAR <= first.year <= LAST_YEAR:
        raise typer.BadParameter(f"--from is in the years {FIRST_YEAR} to {LAST_YEAR}")
    console().print(preview_table(job, known[job].of(first.date(), days)))


@app.command("send")
def send_run(
    job: JobName,
    at: Annotated[
        datetime,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%SZ"],
            help="The time (UTC) at which the schedule should have fired: 2026-11-26T08:15:00Z.",
        ),
    ],
    run_date: Annotated[
        datetime | None,
        typer.Option("--date", formats=["%Y-%m-%d"], help="Default: the date of --at in London."),
    ] = None,
) -> None:
    """Ask for a run that the schedule has missed; one that was made is not made again."""
    from worker.job_types import scheduled
    from worker.jobs.catch_up import ask_for_run
    from worker.jobs.notices import Notices
    from worker.jobs.scheduled import london_date

    settings = read_settings()
    if not settings.queue.sqs_queue_url:
        raise errors.ConfigurationError(("SQS_QUEUE_URL is required",))
    types = {one.name: one for one in scheduled(settings, Notices(settings.notify))}
    if job not in types:
        raise typer.BadParameter(f"JOB is one of {', '.join(types)}")
    moment = at.replace(tzinfo=UTC)
    # A slip of the year would do now, and mail, what is due by then.
    if london_date(moment) > london_date(datetime.now(UTC)):
        raise typer.BadParameter("--at is on a day that has not come yet")
    day = run_date.date() if run_date else london_date(moment)
    asked = ask_for_run(settings, types[job], moment, day)
    console().print(f"job {asked.job_key}\nmessage {asked.message_id}", highlight=False)
