"""What there is to export, and the one moment that all of it is read at.

Tables are locked (ACCESS SHARE, as a query does) before the snapshot is taken: a TRUNCATE or a
rewriting ALTER TABLE that commits in between would make a table look empty to an older snapshot.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import IsolationLevel, sql
from psycopg.rows import class_row

from worker.clients.db import Connection
from worker.errors import TransientError
from worker.sqlfiles import statement
from worker.water.export_lines import Column

# A table that is created or dropped just now; more than a few times in a row is a migration.
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Table:
    """A table and its columns, in their order."""

    schema: str
    name: str
    is_partitioned: bool
    columns: tuple[Column, ...]

    @property
    def source(self) -> sql.Composable:
        """What follows FROM: rows of tables that inherit from this one are exported with those."""
        only = sql.SQL("") if self.is_partitioned else sql.SQL("ONLY ")
        return only + sql.Identifier(self.schema, self.name)


@dataclass(frozen=True, slots=True)
class _ColumnRow:
    schema_name: str
    table_name: str
    is_partitioned: bool
    column_name: str | None
    base_type: str | None
    is_array: bool | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of the database: its id (as ``pg_current_snapshot`` prints it) and its time."""

    id: str
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class Contents:
    """The tables of each schema at one moment; ``locked_out`` says why a schema can't be read."""

    snapshot: Snapshot
    tables: Mapping[str, tuple[Table, ...]]
    locked_out: Mapping[str, psycopg.Error]


@dataclass(frozen=True, slots=True)
class Outlook:
    """A schema as an export would find it: ``size`` for people, tables that we may not read."""

    schema_name: str
    tables: int
    size: str
    unreadable: tuple[str, ...]


def outlook(connection: Connection, schemas: tuple[str, ...]) -> tuple[Outlook, ...]:
    """What there is to export; locks nothing."""
    with connection.cursor() as cursor:
        rows = cursor.execute(
            statement(__package__, "export_outlook"), {"schemas": list(schemas)}
        ).fetchall()
    return tuple(Outlook(name, tables, size, tuple(names)) for name, tables, size, names in rows)


@contextmanager
def contents(connection: Connection, schemas: tuple[str, ...]) -> Iterator[Contents]:
    """Within the block, ``connection`` reads all ``schemas`` as they were at one moment.

    It has to be idle and of no further use: its settings are changed. The transaction is
    read-only and rolled back at the end. Raises TransientError ``export_tables_change`` if tables
    come and go too quickly to get hold of them.
    """
    connection.autocommit = True
    connection.execute(statement(__package__, "export_session"))
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    for _ in range(_TRIES):
        expected = _tables(connection, schemas)
        with connection.transaction(force_rollback=True):
            # Locks come first: no query has been made yet, so there is no snapshot.
            locked_out = _locked_out(connection, expected)
            if locked_out is None:
                continue
            snapshot = _snapshot(connection)
            found = _tables(connection, schemas)
            if _names(found) == _names(expected):
                yield Contents(snapshot, found, locked_out)
                return
    raise TransientError(
        "export_tables_change", "Tables are being created or dropped; the export waits for that."
    )


def _tables(connection: Connection, schemas: tuple[str, ...]) -> Mapping[str, tuple[Table, ...]]:
    """The tables of each schema by name; a schema without any has an empty tuple."""
    with connection.cursor(row_factory=class_row(_ColumnRow)) as cursor:
        rows = cursor.execute(
            statement(__package__, "export_columns"), {"schemas": list(schemas)}
        ).fetchall()
    tables: dict[str, list[Table]] = {schema: [] for schema in schemas}
    for (schema, name, is_partitioned), columns in itertools.groupby(
        rows, key=lambda row: (row.schema_name, row.table_name, row.is_partitioned)
    ):
        tables[schema].append(
            Table(
                schema,
                name,
                is_partitioned,
                tuple(
                    Column(row.column_name, row.base_type or "", bool(row.is_array))
                    for row in columns
                    if row.column_name is not None
                ),
            )
        )
    return {schema: tuple(found) for schema, found in tables.items()}


def _locked_out(
    connection: Connection, expected: Mapping[str, tuple[Table, ...]]
) -> Mapping[str, psycopg.Error] | None:
    """Keep others from changing or emptying the tables; what the server said where that fails.

    None if a table has been dropped meanwhile, so that it is time to look again.
    """
    errors: dict[str, psycopg.Error] = {}
    for schema, tables in expected.items():
        if not tables:
            continue
        names = sql.SQL(", ").join(sql.Identifier(schema, table.name) for table in tables)
        try:
            with connection.transaction():
                connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(names))
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            return None
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.LockNotAvailable) as error:
            errors[schema] = error
    return errors


def _snapshot(connection: Connection) -> Snapshot:
    row = connection.execute(statement(__package__, "export_snapshot")).fetchone()
    assert row is not None
    return Snapshot(str(row[0]), row[1])


def _names(tables: Mapping[str, tuple[Table, ...]]) -> set[tuple[str, str]]:
    return {(table.schema, table.name) for found in tables.values() for table in found}
