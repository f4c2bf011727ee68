"""Loading reference data: a data set with a large coefficient layer, as an operator loads it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from worker.demo.postgis import EmbeddedPostgis
from worker.migrations.runner import upgrade
from worker.reference.generate import generate

TIME_TARGET_S = 90.0
MEMORY_TARGET_MB = 300.0
_LOOK_EVERY_S = 0.05


def run(*, cells: int, seed: int) -> bool:
    """Print time and peak memory of ``worker reference load``; whether both targets are met.

    Time: from the start of the interpreter to its end, with every layer of the set, checks,
    indexes, subdivided copies and the switch. Memory: the high-water mark of the process; the
    server's is limited by its own settings.
    """
    with tempfile.TemporaryDirectory(prefix="nrf-bench-") as name, EmbeddedPostgis() as server:
        directory = Path(name)
        files = generate(directory, seed=seed, cells=cells)
        url = server.create_database("load")
        upgrade(url)
        seconds, peak_mb = _load(directory, url)
    rows = sum(file.row_count for file in files)
    is_fast, is_small = seconds < TIME_TARGET_S, peak_mb < MEMORY_TARGET_MB
    print(f"load of {cells:,} cells ({rows:,} rows in all layers)")
    print(f"time         {seconds:7.1f} s    target < {TIME_TARGET_S:.0f} s    {_met(is_fast)}")
    print(f"peak memory  {peak_mb:7.1f} MB   target < {MEMORY_TARGET_MB:.0f} MB  {_met(is_small)}")
    return is_fast and is_small


def _load(directory: Path, url: str) -> tuple[float, float]:
    """Seconds and peak memory (MB) of the command."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "worker", "reference", "load", str(directory)],
        env={"DATABASE_URL": url, "LOG_LEVEL": "error"},
        stdout=subprocess.DEVNULL,
    )
    peak_mb = 0.0
    while process.poll() is None:
        peak_mb = max(peak_mb, _high_water_mb(process.pid))
        time.sleep(_LOOK_EVERY_S)
    if process.returncode:
        raise RuntimeError(f"the load ended with {process.returncode}")
    return time.perf_counter() - begun, peak_mb


def _high_water_mb(pid: int) -> float:
    """``VmHWM`` of a process; 0 when it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    marks = [line for line in lines if line.startswith("VmHWM:")]
    return int(marks[0].split()[1]) / 1024 if marks else 0.0


def _met(met: bool) -> str:
    return "met" if met else "NOT MET"
