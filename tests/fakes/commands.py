"""Commands of the worker as a person or a task starts them: ``python -m worker …``."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.fakes.environment import Environment
from tests.fakes.messages import assessment_body

WITHOUT_SQS = {"SQS_QUEUE_URL": "", "SQS_DLQ_URL": ""}


def run_command(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command that has ended, whose environment is these variables."""
    return subprocess.run(
        [sys.executable, "-m", "worker", *arguments],
        env={**_inherited(), "LOG_LEVEL": "warning", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def start(environment: Environment, *arguments: str, **changes: str) -> subprocess.Popen[str]:
    """A command that still runs, in the worker's environment with these changes."""
    return subprocess.Popen(
        [sys.executable, "-m", "worker", *arguments],
        env={**_inherited(), **environment.variables(**changes)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def command(environment: Environment, *arguments: str) -> str:
    """What a command that works says, in the worker's environment."""
    process = start(environment, *arguments)
    said, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, said + complaint
    return said


def payload(job_id: str = "job-1", **changes: object) -> str:
    """What ``job run`` is given of an assessment."""
    body = assessment_body(s3_input_key=f"{job_id}/site.zip", number_of_dwellings=60, **changes)
    del body["job_id"]
    return json.dumps(body | {"jobId": job_id})


def job_run(environment: Environment, given: str, **changes: str) -> subprocess.Popen[str]:
    """One assessment as a command that has no queue."""
    return start(
        environment,
        "job",
        "run",
        "impact-assessment",
        "--payload",
        given,
        "--correlation-id",
        "trace-run",
        **{**WITHOUT_SQS, **changes},
    )


def finished(process: subprocess.Popen[str]) -> tuple[int, list[dict[str, object]]]:
    """(exit code, log lines) of a command that ends by itself."""
    said, complaint = process.communicate(timeout=90)
    assert complaint == ""
    return process.returncode, [json.loads(line) for line in said.splitlines()]


def _inherited() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
