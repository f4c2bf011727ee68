"""The demo: the real daemon between services that run on this machine, from message to result."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import psycopg

from worker import logs
from worker.demo import annual_review_sample, reports, samples, scheduled
from worker.demo.aws import message_count
from worker.demo.outcome import Outcome, Sent, collect, expectations
from worker.demo.postgis import PostgisMissing
from worker.demo.printout import Printout
from worker.demo.process import Helper, HelperFailed
from worker.demo.stack import (
    COMPLETED_TEMPLATE,
    FAILED_TEMPLATE,
    Stack,
    demo_database,
    services,
)
from worker.errors import EX_OK, EX_SOFTWARE, EX_UNAVAILABLE, WorkerError
from worker.migrations import runner
from worker.reference.generate import generate
from worker.reference.load import load_directory
from worker.settings import RuntimeSettings

_ATTRIBUTE = "CorrelationId"
_THIS_WORKER = (sys.executable, "-m", "worker")
_SETTLED_LIMIT_S = 90.0
# The worker stops by itself when its job is done; this is for one that hangs.
_WORKER_PATIENCE_S = 40.0
_TEMPLATES = {COMPLETED_TEMPLATE: "assessment completed", FAILED_TEMPLATE: "assessment failed"}

SHAPEFILE = Sent("demo-shapefile", "a zipped shapefile with two sites", "S3, message to SQS")
QUOTE = Sent("demo-quote", "a quote with its boundary as GeoJSON", "SNS topic, then SQS")
BROKEN = Sent("demo-incomplete", "an archive with parts missing", "S3, message to SQS")
_MESSAGES = (SHAPEFILE, QUOTE, BROKEN)


def main(worker_command: Sequence[str] | None = None) -> int:
    """Run the demo; returns 0 if the service kept all its promises.

    ``worker_command`` starts the worker, with ``run`` after it; default is this installation.

    DATABASE_URL, if set, names the PostGIS server on which a database is made for the demo.
    """
    logs.configure(RuntimeSettings(log_level="error"), stream="stderr")
    printout = Printout()
    printout.title(
        "NRF impact assessment worker",
        "A house builder's boundary arrives by SQS and S3. The worker computes what the"
        " development adds to the nutrients of protected rivers, tells the backend and the"
        " developer, and only then deletes the message. All services run on this machine.",
    )
    started = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="nrf-demo-") as home:
            outcome, shown, year = _run(Path(home), printout, worker_command or _THIS_WORKER)
    except (HelperFailed, PostgisMissing, psycopg.Error, WorkerError) as error:
        printout.failed(f"The demo could not run: {error}")
        return EX_UNAVAILABLE
    expected = (
        *expectations(outcome, SHAPEFILE, QUOTE, BROKEN),
        *scheduled.expectations(shown),
        *annual_review_sample.expectations(year),
    )
    printout.verdict(expected, time.monotonic() - started)
    return EX_OK if all(one.holds for one in expected) else EX_SOFTWARE


def _run(
    home: Path, printout: Printout, worker_command: Sequence[str]
) -> tuple[Outcome, scheduled.Shown, tuple[annual_review_sample.Day, ...]]:
    with ExitStack() as running:
        with printout.step("Started PostGIS"):
            url = running.enter_context(demo_database(os.environ.get("DATABASE_URL")))
        with printout.step("Generated and loaded reference data (100,000 coefficient cells)"):
            _fill(url, home / "reference")
        reasons = scheduled.prepare(url)
        with printout.step("Started SQS, S3 and SNS, a backend and GOV.UK Notify"):
            stack = running.enter_context(services(url))
        _send(stack)
        scheduled.send(stack)
        printout.sent((*_MESSAGES, *scheduled.MESSAGES))
        log = home / "worker.log"
        worker = Helper(
            [*worker_command, "run"],
            log=log,
            patience_s=_WORKER_PATIENCE_S,
            environment={**stack.environment(), "REPORT_BY_EMAIL": "true"},
        )
        try:
            with printout.step("The worker has settled all six"):
                worker.wait_until(lambda: _settled(stack), timeout_s=_SETTLED_LIMIT_S)
        finally:
            exit_code = worker.stop()
        outcome = collect(stack, _MESSAGES, log, exit_code)
        shown = scheduled.collect(stack, reasons)
        with printout.step("Assessed the same boundary without a queue, nutrients and newts"):
            files = _files(stack, outcome)
        with printout.step("Lived through a year of an annual review"):
            runner.upgrade_domain("lists", url)
            year = annual_review_sample.live_through(url)
    _show(outcome, printout)
    printout.section(
        "Scheduled jobs: what became a workflow row, and why", *scheduled.workflow_tables(shown)
    )
    printout.section(
        "The export: what readers find in the bucket", *scheduled.archive_tables(shown)
    )
    printout.section(
        "Annual review: a year in one table, each day with the jobs' own code",
        annual_review_sample.year_table(year),
    )
    printout.files(files)
    return outcome, shown, year


def _files(stack: Stack, outcome: Outcome) -> tuple[Path, ...]:
    """What stays: the e-mail's files, and what ``worker assess --output`` writes."""
    home, boundary = reports.DIRECTORY, samples.shapefile_archive()
    environment = stack.environment()
    return (
        *reports.save_attachments(outcome.emails, home / "email"),
        *reports.assess("nutrient", boundary, home / "nutrient", environment),
        *reports.assess("gcn", boundary, home / "newts", environment),
    )


def _fill(database_url: str, directory: Path) -> None:
    runner.upgrade(database_url)
    generate(directory, seed=samples.SEED, cells=samples.CELLS)
    with psycopg.connect(database_url) as connection:
        load_directory(connection, directory, label="demo", loaded_by="demo")


def _send(stack: Stack) -> None:
    for sent, job_id, development, archive in (
        (SHAPEFILE, "mill-lane-0001", "Mill Lane", samples.shapefile_archive()),
        (BROKEN, "brook-end-0002", "Brook End", samples.incomplete_archive()),
    ):
        key = f"{job_id}/site.zip"
        stack.aws.s3.put_object(Bucket=stack.bucket, Key=key, Body=archive)
        stack.aws.sqs.send_message(
            QueueUrl=stack.queue.url,
            MessageBody=json.dumps(samples.assessment_message(job_id, key, development)),
            MessageAttributes={
                _ATTRIBUTE: {"DataType": "String", "StringValue": sent.correlation_id}
            },
        )
    stack.aws.sns.publish(
        TopicArn=stack.topic,
        Message=json.dumps(samples.quote_message("NRF-000123")),
        MessageAttributes={_ATTRIBUTE: {"DataType": "String", "StringValue": QUOTE.correlation_id}},
    )


def _settled(stack: Stack) -> bool:
    """Whether one message is dead and all others are deleted, not only in somebody's hands."""
    sqs, queue = stack.aws.sqs, stack.queue
    return message_count(sqs, queue.url) == 0 and message_count(sqs, queue.dlq_url) == 1


def _show(outcome: Outcome, printout: Printout) -> None:
    for sent in (SHAPEFILE, QUOTE):
        printout.result(sent, outcome)
    printout.requests(outcome)
    printout.emails(outcome.emails, _TEMPLATES)
    printout.log(SHAPEFILE.correlation_id, outcome.log_of(SHAPEFILE.correlation_id))
    printout.dead_letters(outcome)
