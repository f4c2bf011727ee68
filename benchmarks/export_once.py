"""One export in a process that does nothing else: its time and its memory, as JSON."""

from __future__ import annotations

import argparse
import json
import os
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

from worker import logs
from worker.clients.s3_upload import OutputStore
from worker.settings import AwsSettings, RuntimeSettings
from worker.water.export_manifest import ExportManifest
from worker.water.export_run import ExportPlan, Hold, export


@dataclass(frozen=True, slots=True)
class Measured:
    """``before_mb``: resident memory after a small export; ``peak_mb``: the most since then."""

    rows: int
    csv_bytes: int
    archive_bytes: int
    seconds: float
    before_mb: float
    peak_mb: float


def main() -> None:
    """Export a small schema, then the large one; only the second is measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--endpoint", required=True)
    given = parser.parse_args()
    logs.configure(RuntimeSettings(log_level="error"), stream="stderr")
    os.environ.update(AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench")

    store = OutputStore(AwsSettings(s3_output_bucket="bench", aws_endpoint_url=given.endpoint))
    _export(given.url, store, "small")
    before_mb = _status_mb("VmRSS")
    _forget_peak()
    started = time.perf_counter()
    (schema,) = _export(given.url, store, "large").schemas
    seconds = time.perf_counter() - started
    measured = Measured(
        rows=schema.rows,
        csv_bytes=sum(table.csv_bytes for table in schema.tables),
        archive_bytes=schema.bytes or 0,
        seconds=seconds,
        before_mb=before_mb,
        peak_mb=_status_mb("VmHWM"),
    )
    print(json.dumps(asdict(measured)))


def _export(url: str, store: OutputStore, schema: str) -> ExportManifest:
    plan = ExportPlan(uuid.uuid4(), (schema,), "export/")
    with psycopg.connect(url, options="-c jit=off") as connection:
        return export(connection, store, plan, Hold(lambda: None, lambda: None))


def _forget_peak() -> None:
    """Let the high-water mark begin anew (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _status_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
