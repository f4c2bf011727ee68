"""The daemon itself: from its start to its first poll, and its memory when idle."""

from __future__ import annotations

import compileall
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg

import worker
from worker.demo.aws import AwsEmulator
from worker.demo.postgis import EmbeddedPostgis
from worker.migrations import runner
from worker.reference.generate import generate
from worker.reference.load import load_directory

START_TARGET_S = 1.5
MEMORY_TARGET_MB = 250.0
_SETTLE_S = 3.0
_NOBODY = "http://127.0.0.1:9"


def run(*, runs: int) -> bool:
    """Print start-up time and idle memory; whether both targets are met.

    Time: from the start of the interpreter to the line ``worker.polling``, which is written just
    before the first receive; bytecode is compiled first, as in the image. Memory: PSS of the
    worker and all its children (health process, warm parsing child, multiprocessing's tracker)
    after three idle seconds.
    """
    compileall.compile_dir(str(Path(worker.__file__).parent), quiet=1)
    with _environment() as variables:
        starts = [_started(variables) for _ in range(runs + 1)][1:]
        memory = _idle_memory_mb(variables)
    median_s = statistics.median(starts)
    total_mb = sum(memory.values())
    met = _met(median_s < START_TARGET_S)
    print(f"start to first poll   {median_s:6.2f} s    target < {START_TARGET_S} s   {met}")
    for name, mb in memory.items():
        print(f"idle PSS {name:<12} {mb:6.1f} MB")
    met = _met(total_mb < MEMORY_TARGET_MB)
    print(f"idle PSS together     {total_mb:6.1f} MB   target < {MEMORY_TARGET_MB:.0f} MB  {met}")
    return median_s < START_TARGET_S and total_mb < MEMORY_TARGET_MB


@contextmanager
def _environment() -> Iterator[dict[str, str]]:
    with EmbeddedPostgis() as server, AwsEmulator() as aws, tempfile.TemporaryDirectory() as layers:
        url = server.create_database("benchmark")
        runner.upgrade(url)
        generate(Path(layers), seed=7, cells=5_000)
        with psycopg.connect(url) as connection:
            load_directory(connection, Path(layers), label="benchmark", loaded_by="benchmark")
        queue = aws.create_queue_pair("benchmark")
        yield {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **aws.environment,
            "DATABASE_URL": url,
            "SQS_QUEUE_URL": queue.url,
            "SQS_WAIT_TIME_SECONDS": "1",
            "S3_INPUT_BUCKET": aws.create_bucket("benchmark"),
            "S3_REFERENCE_BUCKET": "benchmark",
            "BACKEND_BASE_URL": _NOBODY,
            "BACKEND_API_KEY": "benchmark",
            "GOVUK_NOTIFY_API_KEY": f"benchmark-{uuid.UUID(int=1)}-{uuid.UUID(int=2)}",
            "GOVUK_NOTIFY_BASE_URL": _NOBODY,
            "GOVUK_NOTIFY_TEMPLATE_JOB_COMPLETED": str(uuid.UUID(int=3)),
            "GOVUK_NOTIFY_TEMPLATE_JOB_FAILED": str(uuid.UUID(int=4)),
            "GOVUK_NOTIFY_SUPPORT_EMAIL": "support@example.gov.uk",
            "GOVUK_NOTIFY_RESULTS_BASE_URL": _NOBODY,
            "HEALTH_PORT": "0",
            "HEALTH_HOST": "127.0.0.1",
            "LOG_FORMAT": "json",
        }


@contextmanager
def _polling(variables: dict[str, str]) -> Iterator[tuple[psutil.Process, float]]:
    """A worker that has begun to poll, and the seconds that took."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "worker", "run"], env=variables, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if json.loads(line).get("message") == "worker.polling":
                break
        else:
            raise RuntimeError(f"the worker ended with {process.wait()}")
        yield psutil.Process(process.pid), time.perf_counter() - begun
    finally:
        process.terminate()
        process.stdout.read()
        process.wait(30)
        process.stdout.close()


def _started(variables: dict[str, str]) -> float:
    with _polling(variables) as (_, seconds):
        return seconds


def _idle_memory_mb(variables: dict[str, str]) -> dict[str, float]:
    with _polling(variables) as (process, _):
        time.sleep(_SETTLE_S)
        memory = {"worker": _pss_mb(process)}
        for child in process.children(recursive=True):
            memory[_role(child)] = _pss_mb(child)
    return memory


def _role(child: psutil.Process) -> str:
    command = " ".join(child.cmdline())
    if "worker.boundary" in command:
        return "parsing"
    return "tracker" if "resource_tracker" in command else "health"


def _pss_mb(process: psutil.Process) -> float:
    return float(process.memory_full_info().pss) / 1e6


def _met(met: bool) -> str:
    return "met" if met else "NOT MET"
