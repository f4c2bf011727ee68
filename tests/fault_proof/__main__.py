"""``make fault-proof``: take each row's protection out and see that its tests notice.

``make faults`` runs the tests of the rows as they are, several times in a row.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.fault_proof.matrix import REPOSITORY, Row, rows
from tests.fault_proof.patches import Patch, patches
from tests.fault_proof.proving import (
    LOGS,
    Outcome,
    Run,
    chosen,
    keep,
    passes_unpatched,
    prove,
    run_tests,
    scratch_copy,
    shared_database,
)

_SAID = {
    Outcome.FAILED: "failed",
    Outcome.PASSED: "NOT DETECTED",
    Outcome.BROKEN: "NO PROOF",
}


def main() -> int:
    options = _options()
    wanted = [row for row in rows() if not options.rows or row.number in options.rows]
    if options.command == "tests":
        return _repeat(wanted, options.times, options.processes)
    return _prove(wanted)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fault_proof", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, told in (
        ("prove", "with each protection taken out"),
        ("tests", "as they are, several times"),
    ):
        command = commands.add_parser(name, help=told)
        command.add_argument("rows", type=int, nargs="*", help="of docs/faults.md; default all")
    commands.choices["tests"].add_argument("--times", type=int, default=3)
    commands.choices["tests"].add_argument("--processes", type=int, default=2)
    return parser.parse_args()


def _repeat(wanted: Sequence[Row], times: int, processes: int) -> int:
    tests = {test for row in wanted for test in row.tests}
    failed = 0
    for time in range(1, times + 1):
        run = run_tests(tests, REPOSITORY, processes=processes)
        print(f"{time} of {times}: {len(tests)} tests {run.outcome} in {run.seconds:.0f} s")
        _tell(run)
        failed += run.outcome is not Outcome.PASSED
    return 1 if failed else 0


def _prove(wanted: Sequence[Row]) -> int:
    by_row = {row.number: row for row in wanted}
    relevant = [patch for patch in patches() if patch.row in by_row]
    with scratch_copy() as root, shared_database():
        results = [_attempt(patch, by_row[patch.row], root) for patch in relevant]
    print(
        f"{len(wanted)} rows: {results.count('failed')} patches detected,"
        f" {len(results) - results.count('failed') - results.count('–')} not detected,"
        f" {results.count('–')} with a reason; what the tests said is in {LOGS}"
    )
    uncovered = sorted(set(by_row) - {patch.row for patch in relevant})
    if uncovered:
        print(f"rows without a patch or a reason: {uncovered}")
    return 0 if set(results) <= {"failed", "–"} and not uncovered else 1


def _attempt(patch: Patch, row: Row, root: Path) -> str:
    """Take one protection out and print what came of it."""
    if patch.content.reason:
        print(f"{patch.name:<40} –             {patch.content.reason}", flush=True)
        return "–"
    run = prove(patch, chosen(row.tests, patch.content.tests), root)
    keep(patch.name, run)
    said = _SAID[run.outcome]
    if run.outcome is Outcome.FAILED and not passes_unpatched(run, row.tests, root):
        said = "UNCLEAR"
    print(f"{patch.name:<40} {said:<13} {run.seconds:4.0f} s  {patch.content.takes_out}")
    for name, how in run.noticed:
        print(f"{'':<40} {name}: {how}")
    if run.outcome is not Outcome.FAILED:
        _tell(run)
    sys.stdout.flush()
    return said


def _tell(run: Run) -> None:
    if run.outcome is not Outcome.PASSED:
        print("\n".join(run.output.splitlines()[-25:]), flush=True)


if __name__ == "__main__":
    sys.exit(main())
