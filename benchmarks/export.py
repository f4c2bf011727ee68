"""The water export against ``psql`` piped to gzip: throughput, and memory that stays flat (X10)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psycopg

from benchmarks.bucket import bucket
from benchmarks.export_once import Measured
from worker.demo.postgis import EmbeddedPostgis
from worker.sqlfiles import statement

THROUGHPUT_TARGET = 0.5
MEMORY_TARGET_MB = 64.0
# An odd number of rounds has a median.
ROUNDS = 3
_MB = 1_000_000
_COPY = "\\copy large.charge_elements TO STDOUT CSV HEADER"


def run(*, rows: int) -> bool:
    """Print both throughputs and the export's memory; whether both targets are met.

    The server, the export, the bucket that it writes to, psql and gzip share one core, where the
    system lets us ask for that. The two take turns, so that a busy machine slows both.
    """
    with (
        _one_core() as pinned,
        tempfile.TemporaryDirectory(prefix="nrf-bench-") as name,
        EmbeddedPostgis() as server,
        bucket() as endpoint,
    ):
        url = server.create_database("export")
        _create_tables(url, rows)
        exports: list[Measured] = []
        copies: list[float] = []
        for _ in range(ROUNDS):
            exports.append(_export(url, endpoint))
            copies.append(_copy(url, Path(name) / "copy.csv.gz"))
            # A round takes minutes; whoever waits sees that it goes on.
            print(
                f"round: export {exports[-1].seconds:.1f} s, psql | gzip {copies[-1]:.1f} s",
                flush=True,
            )
    ratios = [copied / own.seconds for own, copied in zip(exports, copies, strict=True)]
    growth_mb = max(own.peak_mb - own.before_mb for own in exports)
    _print(exports, copies, pinned=pinned)
    is_fast = median(ratios) >= THROUGHPUT_TARGET
    is_small = growth_mb <= MEMORY_TARGET_MB
    print(
        f"throughput   {median(ratios):6.2f} of psql | gzip (rounds: "
        f"{', '.join(f'{ratio:.2f}' for ratio in ratios)})"
        f"   target >= {THROUGHPUT_TARGET:g}    {_met(is_fast)}"
    )
    print(
        f"memory       {growth_mb:6.1f} MB more than before (peak "
        f"{max(own.peak_mb for own in exports):.0f} MB)"
        f"   target <= {MEMORY_TARGET_MB:g} MB  {_met(is_small)}"
    )
    return is_fast and is_small


def _create_tables(url: str, rows: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA large")
        connection.execute("CREATE SCHEMA small")
        connection.execute(statement("benchmarks", "create_export_rows"), {"rows": rows})
        # Reading rows for the first time marks them, which only the first method would pay for.
        connection.execute("VACUUM ANALYZE large.charge_elements")
        connection.execute(
            "CREATE TABLE small.charge_elements AS SELECT * FROM large.charge_elements LIMIT 100"
        )


def _print(exports: list[Measured], copies: list[float], *, pinned: bool) -> None:
    one = exports[0]
    where = "on one core" if pinned else "on every core"
    print(
        f"export of {one.rows:,} rows, {one.csv_bytes / _MB:,.0f} MB of CSV,"
        f" {one.archive_bytes / _MB:,.0f} MB in the archive; both with gzip level 6, {where}"
    )
    for name, seconds in (
        ("export", median(own.seconds for own in exports)),
        ("psql | gzip", median(copies)),
    ):
        print(
            f"{name:12} {seconds:7.1f} s  {one.rows / seconds:10,.0f} rows/s"
            f"  {one.csv_bytes / _MB / seconds:6.1f} MB/s"
        )


def _export(url: str, endpoint: str) -> Measured:
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.export_once", "--url", url, "--endpoint", endpoint],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return Measured(**json.loads(finished.stdout))


def _copy(url: str, path: Path) -> float:
    """Seconds that psql and gzip take for the same table."""
    started = time.perf_counter()
    with path.open("wb") as file:
        psql = subprocess.Popen(
            ["psql", "--no-psqlrc", "--quiet", "--command", _COPY, url], stdout=subprocess.PIPE
        )
        subprocess.run(["gzip"], stdin=psql.stdout, stdout=file, check=True)
        if psql.wait():
            raise RuntimeError(f"psql ended with {psql.returncode}")
    return time.perf_counter() - started


@contextmanager
def _one_core() -> Iterator[bool]:
    """Keep this process and what it starts on one core; False where that cannot be had."""
    if not hasattr(os, "sched_setaffinity"):
        yield False
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield True
    finally:
        os.sched_setaffinity(0, before)


def _met(met: bool) -> str:
    return "met" if met else "NOT MET"
