"""Which versions are loaded, and which are and were active, as data and as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row
from rich.table import Table

from worker.clients.db import Connection
from worker.reference.layers import LAYERS
from worker.sqlfiles import statement

# Enough to tell the files of one layer apart.
SHORT_HASH = 12


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One layer of a switch; ``status`` is that of its version today."""

    switch_id: int
    made_at: datetime
    made_by: str
    action: str
    reason: str | None
    layer: str
    previous_version: int | None
    version: int
    label: str
    status: str
    source_sha256: str
    row_count: int


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """A version in the database; ``status`` is "loading" until its load has ended."""

    layer: str
    version: int
    label: str
    status: str
    source_name: str
    source_sha256: str
    row_count: int
    loaded_by: str
    loaded_at: datetime
    activated_at: datetime | None
    activated_by: str | None

    @property
    def is_active(self) -> bool:
        """Whether new jobs use this version."""
        return self.activated_at is not None


def list_versions(connection: Connection) -> list[LoadedVersion]:
    """Every version of every layer that is not pruned, newest first within a layer."""
    with connection.cursor(row_factory=class_row(LoadedVersion)) as cursor:
        return cursor.execute(statement(__package__, "list_versions")).fetchall()


def history(connection: Connection, *, limit: int) -> list[HistoryEntry]:
    """The newest ``limit`` rows of the history of switches."""
    with connection.cursor(row_factory=class_row(HistoryEntry)) as cursor:
        return cursor.execute(statement(__package__, "history"), {"limit": limit}).fetchall()


def versions_table(versions: Sequence[LoadedVersion]) -> Table:
    """``versions`` for a terminal; layers that have none are listed as not loaded."""
    table = Table("layer", "version", "state", "rows", "source", "sha256", "label")
    for column in ("loaded", "by", "switched"):
        table.add_column(column)
    for layer in LAYERS:
        own = [version for version in versions if version.layer == layer.name]
        if not own:
            table.add_row(layer.name, "", "not loaded")
        for version in own:
            ready = "active" if version.is_active else "kept"
            table.add_row(
                version.layer,
                str(version.version),
                ready if version.status == "ready" else version.status,
                f"{version.row_count:,}",
                version.source_name,
                version.source_sha256[:SHORT_HASH],
                version.label,
                f"{version.loaded_at:%Y-%m-%d %H:%M}",
                version.loaded_by,
                _since(version),
            )
    return table


def history_table(entries: Sequence[HistoryEntry]) -> Table:
    """The history for a terminal, a row for each layer of a switch."""
    table = Table(
        *("when", "who", "what", "layer", "from", "to", "label", "sha256", "rows", "reason")
    )
    previous: int | None = None
    for entry in entries:
        is_first = entry.switch_id != previous
        previous = entry.switch_id
        table.add_row(
            *(
                (f"{entry.made_at:%Y-%m-%d %H:%M}", entry.made_by, entry.action)
                if is_first
                else ("", "", "")
            ),
            entry.layer,
            "" if entry.previous_version is None else str(entry.previous_version),
            f"{entry.version}{' (pruned)' if entry.status == 'pruned' else ''}",
            entry.label,
            entry.source_sha256[:SHORT_HASH],
            f"{entry.row_count:,}",
            (entry.reason or "") if is_first else "",
        )
    return table


def _since(version: LoadedVersion) -> str:
    if version.activated_at is None:
        return ""
    return f"{version.activated_at:%Y-%m-%d %H:%M} by {version.activated_by}"
