"""``make fault-proof``: take each row's protection out and see that its tests notice.

``make faults`` runs the tests of the rows as they are, several times in a row.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue

from tests.fault_proof.matrix import REPOSITORY, Row, rows
from tests.fault_proof.patches import Patch, patches
from tests.fault_proof.proving import (
    LOGS,
    Bench,
    Outcome,
    Run,
    bench,
    chosen,
    keep,
    passes_unpatched,
    prove,
    run_tests,
)

_SAID = {
    Outcome.FAILED: "failed",
    Outcome.PASSED: "NOT DETECTED",
    Outcome.BROKEN: "NO PROOF",
}
_PROCESSES = 3


def main() -> int:
    options = _options()
    wanted = [row for row in rows() if not options.rows or row.number in options.rows]
    if options.command == "tests":
        return _repeat(wanted, options.times, options.processes)
    return _prove(wanted, options.processes)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fault_proof", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, told in (
        ("prove", "with each protection taken out"),
        ("tests", "as they are, several times"),
    ):
        command = commands.add_parser(name, help=told)
        command.add_argument("rows", type=int, nargs="*", help="of docs/faults.md; default all")
        # Most of these tests wait, some for what a patch has made impossible.
        command.add_argument("--processes", type=int, default=_PROCESSES)
    commands.choices["tests"].add_argument("--times", type=int, default=3)
    return parser.parse_args()


def _repeat(wanted: Sequence[Row], times: int, processes: int) -> int:
    tests = {test for row in wanted for test in row.tests}
    failed = 0
    for time in range(1, times + 1):
        run = run_tests(tests, Bench(REPOSITORY), processes=processes)
        print(f"{time} of {times}: {len(tests)} tests {run.outcome} in {run.seconds:.0f} s")
        if run.outcome is not Outcome.PASSED:
            print("\n".join(_tail(run)), flush=True)
        failed += run.outcome is not Outcome.PASSED
    return 1 if failed else 0


def _prove(wanted: Sequence[Row], processes: int) -> int:
    by_row = {row.number: row for row in wanted}
    relevant = [patch for patch in patches() if patch.row in by_row]
    free: SimpleQueue[Bench] = SimpleQueue()
    with ExitStack() as stack:
        for _ in range(processes):
            free.put(stack.enter_context(bench()))
        pool = stack.enter_context(ThreadPoolExecutor(processes))
        # Whoever interrupts it wants no more of them to begin.
        stack.callback(pool.shutdown, cancel_futures=True)
        attempts = [pool.submit(_attempt, patch, by_row[patch.row], free) for patch in relevant]
        results = [_printed(attempt.result()) for attempt in attempts]
    print(
        f"{len(wanted)} rows: {results.count('failed')} patches detected,"
        f" {len(results) - results.count('failed') - results.count('–')} not detected,"
        f" {results.count('–')} with a reason; what the tests said is in {LOGS}"
    )
    uncovered = sorted(set(by_row) - {patch.row for patch in relevant})
    if uncovered:
        print(f"rows without a patch or a reason: {uncovered}")
    return 0 if set(results) <= {"failed", "–"} and not uncovered else 1


def _printed(attempt: tuple[str, str]) -> str:
    said, text = attempt
    print(text, flush=True)
    return said


def _attempt(patch: Patch, row: Row, free: SimpleQueue[Bench]) -> tuple[str, str]:
    """Take one protection out: what came of it, in a word and as lines to print."""
    if patch.content.reason:
        return "–", f"{patch.name:<40} –             {patch.content.reason}"
    place = free.get()
    try:
        run = prove(patch, chosen(row.tests, patch.content.tests), place)
        keep(patch.name, run)
        said = _SAID[run.outcome]
        if run.outcome is Outcome.FAILED and not passes_unpatched(run, row.tests, place):
            said = "UNCLEAR"
    finally:
        free.put(place)
    lines = [f"{patch.name:<40} {said:<13} {run.seconds:4.0f} s  {patch.content.takes_out}"]
    lines += [f"{'':<40} {name}: {how}" for name, how in run.noticed]
    if run.outcome is not Outcome.FAILED:
        lines += _tail(run)
    return said, "\n".join(lines)


def _tail(run: Run) -> list[str]:
    return run.output.splitlines()[-25:]


if __name__ == "__main__":
    sys.exit(main())
