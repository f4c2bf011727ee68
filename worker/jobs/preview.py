"""What a scheduled job would do on days to come, found out without doing any of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

from worker.clients.db import Connection
from worker.clients.domains import DomainDatabase

NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """One thing that would happen, or that would not although somebody may expect it.

    ``subject``: a licence, a list, a file; ``action``: what would be done to it, NOTHING if it
    is left out; ``reason``: the rule and the values that decide.
    """

    subject: str
    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class PreviewDay:
    """Everything that one run would do; no lines: nothing."""

    run_date: date
    lines: tuple[PreviewLine, ...] = ()


class Previewable(Protocol):
    """A scheduled job that can say what it would do."""

    def __call__(self, connection: Connection, days: tuple[date, ...]) -> Iterator[PreviewDay]:
        """One day after the other, each as if the runs of the days before it had been made.

        The transaction is read-only and sees one moment: what earlier days would have changed is
        the implementation's to remember.
        """


@dataclass(frozen=True, slots=True)
class Preview:
    """A job's preview and the database that it reads."""

    database: DomainDatabase
    days: Previewable

    def of(self, first: date, days: int) -> tuple[PreviewDay, ...]:
        """The runs of ``days`` days from ``first`` on; the server refuses every write of it."""
        dates = tuple(first + timedelta(days=number) for number in range(days))
        with self.database.read_only() as connection:
            return tuple(self.days(connection, dates))
