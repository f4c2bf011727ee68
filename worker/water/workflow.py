"""What the jobs put into workflow: one row a licence version that somebody has to look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from worker.clients.db import Connection
from worker.sqlfiles import statement

_RowT = TypeVar("_RowT")


class Workflow(BaseModel):
    """A row that a run has added; ``data`` is what the team's screens go by."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    workflow_id: UUID
    licence_id: UUID
    licence_version_id: UUID
    licence_ref: str | None
    data: Mapping[str, str | bool | None]


def add(
    connection: Connection, insert: str, *, candidates: str, parameters: Mapping[str, object]
) -> tuple[Workflow, ...]:
    """Run the statement ``insert`` with the query ``candidates`` in it; what it has added.

    It adds everything or nothing; the caller's transaction decides which.
    """
    query = _trusted(insert).format(candidates=_trusted(candidates))
    with connection.cursor(row_factory=class_row(Workflow)) as cursor:
        return tuple(cursor.execute(query, parameters).fetchall())


def read(
    connection: Connection,
    row: type[_RowT],
    candidates: str,
    parameters: Mapping[str, object],
) -> tuple[_RowT, ...]:
    """The rows of the query ``candidates``, which ``add`` chooses from."""
    with connection.cursor(row_factory=class_row(row)) as cursor:
        return tuple(cursor.execute(_trusted(candidates), parameters).fetchall())


def _trusted(name: str) -> sql.SQL:
    """The text of one of this package's statements, to put together with others."""
    return sql.SQL(statement("worker.water", name).decode())
