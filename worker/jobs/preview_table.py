"""A preview on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from worker.jobs.preview import NOTHING, PreviewDay


def preview_table(job: str, days: Sequence[PreviewDay]) -> Table:
    """One row a thing that would happen; a day on which nothing would has one row too."""
    table = Table(
        "date",
        "what",
        "would be done",
        "why",
        box=None,
        title=f"{job} would do, as the data are now",
        title_justify="left",
        caption=_in_all(days),
        caption_justify="left",
    )
    for day in days:
        if not day.lines:
            table.add_row(str(day.run_date), "-", NOTHING, "")
        for number, line in enumerate(day.lines):
            table.add_row(
                str(day.run_date) if number == 0 else "",
                *map(escape, (line.subject, line.action, line.reason)),
            )
    return table


def _in_all(days: Sequence[PreviewDay]) -> str:
    lines = [line for day in days for line in day.lines]
    left_out = sum(line.action == NOTHING for line in lines)
    return f"in all: {len(lines) - left_out:,} to do, {left_out:,} left out"
