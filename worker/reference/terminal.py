"""How far a long command is, for people; apart, since the daemon has no use for rich."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)


class TerminalProgress:
    """One line a layer with a bar, on standard error; a context manager."""

    def __init__(self, console: Console) -> None:
        self._bars = Progress(
            TextColumn("{task.description:<20}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[step]}"),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def started(self, subject: str, total: int) -> None:
        self._tasks[subject] = self._bars.add_task(subject, total=total, step="read")

    def advanced(self, subject: str, rows: int) -> None:
        self._bars.advance(self._tasks[subject], rows)

    def step(self, subject: str, name: str) -> None:
        self._bars.update(self._tasks[subject], step=name)

    def finished(self, subject: str) -> None:
        task = self._tasks[subject]
        self._bars.update(task, step="done")
        self._bars.stop_task(task)
