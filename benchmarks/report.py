"""What every benchmark needs: medians of methods that take turns, and lines with targets."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the report: what was found, the target, and whether it is met."""

    what: str
    found: str
    target: str
    met: bool | None = None


class Disagreement(Exception):
    """Two methods give different answers, so that their times mean nothing."""


def medians_ms(rounds: int, *methods: Callable[[], object]) -> list[float]:
    """Median of each method; they take turns, so that a busy machine slows all of them.

    In its turn a method runs twice and the second run counts: the first one fetches back into the
    caches what the method before it displaced.
    """
    # As the worker does after its start: what is loaded is not searched for garbage again.
    gc.collect()
    gc.freeze()
    times: list[list[float]] = [[] for _ in methods]
    for _ in range(rounds):
        for method, taken in zip(methods, times, strict=True):
            method()
            start = time.perf_counter()
            method()
            taken.append((time.perf_counter() - start) * 1000)
    gc.unfreeze()
    return [statistics.median(taken) for taken in times]


def table(rows: Sequence[Row]) -> Table:
    lines = Table("what", "found", "target", "")
    for row in rows:
        verdict = {None: "", True: "met", False: "[bold red]not met[/]"}[row.met]
        lines.add_row(row.what, row.found, row.target, verdict)
    return lines
