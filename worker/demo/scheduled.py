"""The demo's second part: what a schedule starts, from its messages to what they have changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from rich import box
from rich.table import Table
from rich.text import Text

from worker.demo import water_sample
from worker.demo.export_sample import manifest_table
from worker.demo.outcome import Expectation, Sent
from worker.demo.stack import Stack
from worker.demo.water_sample import Decision
from worker.migrations import runner
from worker.settings import WATER_EXPORT, WATER_LICENCE_UPDATES, WATER_TIME_LIMITED

MANIFEST_KEY = "export/manifest.json"
_TIMES = {
    WATER_LICENCE_UPDATES: "07:15",
    WATER_TIME_LIMITED: "19:15",
    WATER_EXPORT: "20:00",
}
MESSAGES = tuple(
    Sent("-", f"{job_type}, for {water_sample.RUN_DATE}", "a schedule, to SQS")
    for job_type in _TIMES
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the runs have left behind; ``decisions`` by job type."""

    decisions: Mapping[str, tuple[Decision, ...]]
    manifest: Mapping[str, object] | None


def prepare(database_url: str) -> Mapping[str, str]:
    """Make the tables of ``water`` and its sample licences; the reasons that previews give."""
    runner.upgrade_domain("water", database_url)
    return water_sample.seed(database_url)


def send(stack: Stack) -> None:
    """Send what the schedules would have sent on the sample's date."""
    for job_type, time in _TIMES.items():
        scheduled = f"{water_sample.RUN_DATE}T{time}:00Z"
        message: dict[str, object] = {
            "jobType": job_type,
            "scheduledTime": scheduled,
            "runDate": scheduled,
        }
        if job_type == WATER_EXPORT:
            message["schemas"] = ["water"]
        stack.aws.sqs.send_message(QueueUrl=stack.queue.url, MessageBody=json.dumps(message))


def collect(stack: Stack, reasons: Mapping[str, str]) -> Shown:
    """Read the workflow and the bucket after the worker has stopped."""
    listed = stack.aws.s3.list_objects_v2(Bucket=stack.bucket, Prefix=MANIFEST_KEY)
    manifest = None
    if listed["KeyCount"]:
        body = stack.aws.s3.get_object(Bucket=stack.bucket, Key=MANIFEST_KEY)["Body"].read()
        manifest = json.loads(body)
    return Shown(
        decisions={
            job_type: water_sample.decisions(stack.database_url, stories, reasons)
            for job_type, stories in water_sample.STORIES.items()
        },
        manifest=manifest,
    )


def workflow_tables(shown: Shown) -> tuple[Table, ...]:
    """Which licences have a workflow row now, and why: one table a job."""
    return tuple(_table(job_type, decided) for job_type, decided in shown.decisions.items())


def archive_tables(shown: Shown) -> tuple[Table, ...]:
    """What the manifest says about the archives, if there is one."""
    return () if shown.manifest is None else (manifest_table(shown.manifest),)


def expectations(shown: Shown) -> tuple[Expectation, ...]:
    """What successful runs have shown."""
    decided = [one for some in shown.decisions.values() for one in some]
    return (
        Expectation(
            "Scheduled jobs put into workflow what their rules say, and nothing else",
            bool(decided) and all(one.in_workflow == one.story.due for one in decided),
        ),
        Expectation(
            "The export's manifest says that every table of the schema is in its archive",
            shown.manifest is not None and shown.manifest.get("status") == "complete",
        ),
    )


def _table(job_type: str, decided: tuple[Decision, ...]) -> Table:
    title = f"[bold]{job_type}[/bold], the run for {water_sample.RUN_DATE}"
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for heading in ("Licence", "What there is", "Into workflow", "Why"):
        table.add_column(heading)
    for one in decided:
        table.add_row(
            one.story.licence_ref,
            one.story.tells,
            "[green]yes[/green]" if one.in_workflow else "no",
            Text(one.why),
        )
    return table
