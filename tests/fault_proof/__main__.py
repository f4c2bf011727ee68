"""``make fault-proof``: take each row's protection out and see that its tests notice.

``make faults`` runs the tests of the rows as they are, several times in a row.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence

from tests.fault_proof.matrix import REPOSITORY, LinkedTest, Row, rows
from tests.fault_proof.patches import Patch, patches
from tests.fault_proof.proving import (
    LOGS,
    Outcome,
    Run,
    chosen,
    keep,
    prove,
    run_tests,
    scratch_copy,
    shared_database,
)


def main() -> int:
    options = _options()
    wanted = [row for row in rows() if not options.rows or row.number in options.rows]
    if options.command == "tests":
        return _repeat(wanted, options.times, options.processes)
    return _prove(wanted, None if options.only_patched else options.processes)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fault_proof", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, told in (
        ("prove", "with each protection taken out"),
        ("tests", "as they are, several times"),
    ):
        command = commands.add_parser(name, help=told)
        command.add_argument(
            "rows", type=int, nargs="*", help="rows of docs/faults.md; all of them"
        )
        command.add_argument("--processes", type=int, default=2, help="for tests as they are")
    commands.choices["prove"].add_argument(
        "--only-patched", action="store_true", help="do not run the tests without a patch first"
    )
    commands.choices["tests"].add_argument("--times", type=int, default=3)
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


def _prove(wanted: Sequence[Row], processes: int | None) -> int:
    """``processes``: in how many the tests are run unpatched first; None for not at all."""
    by_row = {row.number: row for row in wanted}
    relevant = [patch for patch in patches() if patch.row in by_row]
    with scratch_copy() as root, shared_database():
        real = [patch for patch in relevant if patch.content.replace]
        tests = {test for patch in real for test in _tests_of(patch, by_row)}
        before = None
        if tests and processes is not None:
            before = run_tests(tests, root, processes=processes)
            print(f"unpatched: {len(tests)} tests {before.outcome} in {before.seconds:.0f} s")
            _tell(before)
        results = [_result(patch, by_row, prove(patch, _tests_of(patch, by_row), root))
                   if patch.content.replace else _excused(patch) for patch in relevant]  # fmt: skip
    proofs = results.count("detected")
    print(
        f"{len(wanted)} rows: {proofs} patches detected, {results.count('missed')} not detected,"
        f" {results.count('excused')} with a reason; what the tests said is in {LOGS}"
    )
    uncovered = sorted(set(by_row) - {patch.row for patch in relevant})
    if uncovered:
        print(f"rows without a patch or a reason: {uncovered}")
    is_clean = before is None or before.outcome is Outcome.PASSED
    return 0 if is_clean and "missed" not in results and not uncovered else 1


def _tests_of(patch: Patch, by_row: dict[int, Row]) -> Iterable[LinkedTest]:
    return chosen(by_row[patch.row].tests, patch.content.tests)


def _excused(patch: Patch) -> str:
    print(f"{patch.name:<40} –             {patch.content.reason}", flush=True)
    return "excused"


def _result(patch: Patch, by_row: dict[int, Row], run: Run) -> str:
    said = {
        Outcome.FAILED: "failed",
        Outcome.PASSED: "NOT DETECTED",
        Outcome.BROKEN: "NO PROOF",
    }[run.outcome]
    print(
        f"{patch.name:<40} {said:<13} {run.seconds:4.0f} s  {patch.content.takes_out}", flush=True
    )
    keep(patch.name, run)
    if run.outcome is Outcome.FAILED:
        print(f"{'':<40} {run.noticed[0][0]}: {run.noticed[0][1]}", flush=True)
        return "detected"
    _tell(run)
    return "missed"


def _tell(run: Run) -> None:
    if run.outcome is not Outcome.PASSED:
        print("\n".join(run.output.splitlines()[-25:]), flush=True)


if __name__ == "__main__":
    sys.exit(main())
