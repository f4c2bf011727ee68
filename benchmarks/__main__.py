"""``python -m benchmarks``: time and memory, each with its target; see benchmarks/README.md."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import capacity, daemon, export, newts, nutrient, reference
from worker import logs
from worker.settings import RuntimeSettings


def main() -> int:
    """Run what is asked for, by default everything; 0 if every target is met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "benchmark",
        nargs="?",
        choices=("all", "nutrient", "newts", "daemon", "reference", "capacity", "export"),
        default="all",
    )
    parser.add_argument("--runs", type=int, default=7, help="timed rounds after a warm-up")
    parser.add_argument("--seed", type=int, default=7, help="of generated layers and sites")
    parser.add_argument(
        "--cells", type=int, default=1_000_000, help="nutrient, reference: cells of the large layer"
    )
    parser.add_argument("--jobs", type=int, default=200, help="capacity: messages a run")
    parser.add_argument("--rows", type=int, default=5_000_000, help="export: rows of the table")
    parser.add_argument(
        "--keep", type=Path, help="nutrient: directory of a loaded database to use again"
    )
    given = parser.parse_args()
    # What is measured logs as the daemon does; here it would stand between the rows.
    logs.configure(RuntimeSettings(log_level="error"), stream="stderr")
    if given.runs < 5:
        parser.error("a median of fewer than 5 runs says little")
    met = True
    if given.benchmark in ("all", "nutrient"):
        met &= nutrient.run(cells=given.cells, seed=given.seed, runs=given.runs, keep=given.keep)
    if given.benchmark in ("all", "newts"):
        met &= newts.run(runs=given.runs)
    if given.benchmark in ("all", "daemon"):
        met &= daemon.run(runs=given.runs)
    if given.benchmark in ("all", "reference"):
        met &= reference.run(cells=given.cells, seed=given.seed)
    if given.benchmark in ("all", "capacity"):
        met &= capacity.run(cells=given.cells, jobs=given.jobs)
    if given.benchmark in ("all", "export"):
        met &= export.run(rows=given.rows)
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
