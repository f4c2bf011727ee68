"""How many assessments a task gets through in an hour: the real worker, from queue to delete."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import psycopg

from worker.demo import samples
from worker.demo.stack import Stack, demo_database, services
from worker.migrations import runner
from worker.reference.generate import generate
from worker.reference.load import load_directory

_LIMIT_S = 900
_JSON = Mapping[str, object]


def run(*, cells: int, jobs: int) -> bool:
    """Print throughput of one worker without and with reports by e-mail; no target.

    Each job is a zipped shapefile with two sites in S3 and a message on SQS; its result is posted
    and its developer told. Times are between the log lines of one worker that drains the queue.
    """
    print(f"{jobs} messages, two sites each; {cells:,} cells; one worker")
    with demo_database(None) as url:
        _fill(url, cells)
        for label, by_email in (("link in the e-mail", "false"), ("report by e-mail", "true")):
            with services(url) as stack:
                _send(stack, jobs, by_email)
                lines = _drained(stack, by_email)
            _print(label, lines, jobs)
    return True


def _fill(url: str, cells: int) -> None:
    runner.upgrade(url)
    with tempfile.TemporaryDirectory(prefix="nrf-capacity-") as layers:
        generate(Path(layers), seed=samples.SEED, cells=cells)
        with psycopg.connect(url) as connection:
            load_directory(connection, Path(layers), label="capacity", loaded_by="benchmark")


def _send(stack: Stack, jobs: int, run_id: str) -> None:
    archive = samples.shapefile_archive()
    for number in range(jobs):
        job_id = f"capacity-{run_id}-{number}"
        key = f"{job_id}/site.zip"
        stack.aws.s3.put_object(Bucket=stack.bucket, Key=key, Body=archive)
        stack.aws.sqs.send_message(
            QueueUrl=stack.queue.url,
            MessageBody=json.dumps(samples.assessment_message(job_id, key, "Mill Lane")),
        )


def _drained(stack: Stack, by_email: str) -> Sequence[_JSON]:
    """The log of a worker that has worked until the queue was empty."""
    done = subprocess.run(
        [sys.executable, "-m", "worker", "run", "--drain"],
        env={**stack.environment(), "REPORT_BY_EMAIL": by_email},
        stdout=subprocess.PIPE,
        text=True,
        timeout=_LIMIT_S,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _print(label: str, lines: Sequence[_JSON], jobs: int) -> None:
    received, deleted = _times(lines, "message.received"), _times(lines, "message.deleted")
    if len(deleted) != jobs:
        raise RuntimeError(f"{len(deleted)} of {jobs} messages were deleted")
    whole_s = (max(deleted.values()) - min(received.values())).total_seconds()
    each_s = [(deleted[one] - received[one]).total_seconds() for one in deleted]
    computing_s = [
        float(str(line["duration_s"])) for line in lines if line.get("message") == "job.succeeded"
    ]
    print(
        f"{label:<20} {jobs / whole_s * 3600:7,.0f} jobs an hour"
        f"   median {statistics.median(each_s) * 1000:5.0f} ms from receive to delete,"
        f" {statistics.median(computing_s) * 1000:4.0f} ms of it the job"
    )


def _times(lines: Sequence[_JSON], event: str) -> dict[str, datetime]:
    return {
        str(line["message_id"]): datetime.fromisoformat(str(line["@timestamp"]))
        for line in lines
        if line.get("message") == event
    }
