"""Peak memory of an assessment, in a process that does nothing else."""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_mb(url: str, sites: int, seed: int, window: tuple[float, ...]) -> float:
    """Peak resident memory (MB) of a fresh interpreter that assesses ``sites`` generated sites."""
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.memory", "--url", url, "--sites", str(sites)),
            *("--seed", str(seed), "--window", *map(str, window)),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(finished.stdout)


def main() -> None:
    """Assess, then print the peak in MB: interpreter, libraries, sites and results included."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--sites", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--window", type=float, nargs=4, required=True)
    given = parser.parse_args()

    from benchmarks.landscape import LARGE, connected, pinned
    from benchmarks.sites import sites
    from worker.assessments.nutrient import assess_nutrient
    from worker.settings import NutrientConstants

    with connected(given.url) as connection:
        result = assess_nutrient(
            connection,
            sites(given.sites, tuple(given.window), given.seed),
            pinned(connection, LARGE),
            NutrientConstants(),
        )
    assert len(result.sites) == given.sites
    print(_peak_mb())


def _peak_mb() -> float:
    """High-water mark of this process.

    On Linux from /proc, since ``ru_maxrss`` there starts at what the parent had when it forked.
    """
    if _STATUS.exists():
        lines = _STATUS.read_text(encoding="ascii").splitlines()
        (mark,) = (line for line in lines if line.startswith("VmHWM:"))
        return int(mark.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024


if __name__ == "__main__":
    main()
