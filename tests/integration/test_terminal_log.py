"""Whoever starts the worker on a terminal reads lines for people; a file or ECS gets JSON."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import pytest

REFUSED = "SQS_QUEUE_URL is required"


def written_to_a_terminal(**variables: str) -> list[str]:
    """What ``worker run`` without any settings writes to a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "worker", "run"],
        env={"PATH": os.environ["PATH"], "TERM": "dumb", **variables},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    written = b""
    try:
        # Linux tells the end of a terminal's other side as an error.
        while part := os.read(ours, 4096):
            written += part
    except OSError:
        pass
    finally:
        os.close(ours)
    assert process.wait(60) == 78
    return written.decode().splitlines()


def test_a_terminal_gets_lines_for_people() -> None:
    lines = written_to_a_terminal()
    assert any("worker.not_started" in line and REFUSED in line for line in lines)
    assert not any(line.startswith("{") for line in lines)


@pytest.mark.parametrize(
    "variable", ["ECS_CONTAINER_METADATA_URI", "ECS_CONTAINER_METADATA_URI_V4"]
)
def test_a_container_of_ecs_writes_json_even_to_a_terminal(variable: str) -> None:
    lines = written_to_a_terminal(**{variable: "http://169.254.170.2/v4/x"})
    problems = [json.loads(line).get("problem") for line in lines if '"problem"' in line]
    assert REFUSED in problems
    assert all(line.startswith("{") for line in lines)
