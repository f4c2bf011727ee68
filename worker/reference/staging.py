"""Builds one version of one layer in tables of its own, unseen by queries until it is attached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from psycopg import sql

from worker.clients.db import Connection
from worker.reference.layers import Column, ColumnType, Layer
from worker.reference.progress import Progress
from worker.reference.readers import Rows, SourceTable
from worker.reference.values import ColumnReader, Tally, Value
from worker.reference.works_lookup import WorksNotes, expand
from worker.sqlfiles import statement

WORKS_LOOKUP = "wwtw_lookup"

_REPORT_EVERY = 5_000
_SOURCE_ROW = Column("source_row", ColumnType.INTEGER)
_STAGED = sql.Identifier("pg_temp", "staged")
_COPY_TYPES = {
    ColumnType.TEXT: "text",
    ColumnType.INTEGER: "int4",
    ColumnType.NUMBER: "float8",
    ColumnType.DECIMAL: "numeric",
    ColumnType.BOOLEAN: "bool",
}


@dataclass(frozen=True, slots=True)
class StagedTables:
    """Names (in schema ``reference``) of the tables of one version."""

    layer: Layer
    version: int

    @property
    def features(self) -> str:
        """The table that becomes a partition of the layer's."""
        return f"{self.layer.name}_v{self.version}"

    @property
    def parts(self) -> str:
        """The table that becomes a partition of the layer's pieces."""
        return f"{self.layer.parts}_v{self.version}"


@dataclass(frozen=True, slots=True)
class ReadRows:
    """What reading a source brought: rows copied, and what was wrong with their values.

    ``works`` is filled for the works table only.
    """

    row_count: int
    readers: list[ColumnReader]
    without_geometry: Tally
    works: WorksNotes | None


def copy_rows(
    connection: Connection, layer: Layer, source: SourceTable, progress: Progress
) -> ReadRows:
    """Stream ``source`` into a temporary table that lives until the transaction ends."""
    columns = _table_columns(layer)
    connection.execute(_create_staged(layer, columns))
    readers = [ColumnReader(column) for column in layer.columns]
    without_geometry = Tally()
    works = WorksNotes() if layer.name == WORKS_LOOKUP else None
    raw_rows = source.rows([column.found_in(source.columns) for column in layer.columns])
    if works is not None:
        rows = _works_rows(raw_rows, readers, works)
    elif layer.spatial:
        rows = _spatial_rows(raw_rows, readers, without_geometry)
    else:
        rows = _plain_rows(raw_rows, readers)
    copied = [sql.Identifier("id"), *([sql.Identifier("wkb")] if layer.spatial else [])]
    copied += [sql.Identifier(column.name) for column in columns]
    copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        _STAGED, sql.SQL(", ").join(copied)
    )
    row_count = 0
    with connection.cursor() as cursor, cursor.copy(copy) as stream:
        types = [_COPY_TYPES[column.type] for column in columns]
        stream.set_types(["int8", *(["bytea"] if layer.spatial else []), *types])
        for row in rows:
            stream.write_row(row)
            row_count += 1
            if row_count % _REPORT_EVERY == 0:
                progress.advanced(layer.name, _REPORT_EVERY)
    progress.advanced(layer.name, row_count % _REPORT_EVERY)
    return ReadRows(row_count, readers, without_geometry, works)


def build_features(connection: Connection, tables: StagedTables, progress: Progress) -> None:
    """The version's table from the rows of ``copy_rows``: typed, in order, indexed."""
    layer = tables.layer
    _create_like(connection, layer.name, tables.features, tables.version)
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in _table_columns(layer))
    target = sql.Identifier("reference", tables.features)
    if layer.spatial:
        progress.step(layer.name, "sort")
        insert = statement(__package__, "insert_features")
    else:
        insert = statement(__package__, "insert_rows")
    connection.execute(
        sql.SQL(insert.decode()).format(table=target, columns=columns, staged=_STAGED),
        {"version": tables.version},
    )
    progress.step(layer.name, "index")
    if layer.spatial:
        connection.execute(sql.SQL("CREATE INDEX ON {} USING gist (geom)").format(target))
    if layer.subdivided:
        connection.execute(sql.SQL("CREATE UNIQUE INDEX ON {} (id)").format(target))
    connection.execute(sql.SQL("ANALYZE {}").format(target))


def build_parts(connection: Connection, tables: StagedTables, progress: Progress) -> None:
    """The pieces of a subdivided layer, from its features."""
    progress.step(tables.layer.name, "subdivide")
    _create_like(connection, tables.layer.parts, tables.parts, tables.version)
    target = sql.Identifier("reference", tables.parts)
    connection.execute(
        sql.SQL(statement(__package__, "insert_parts").decode()).format(
            parts=target, table=sql.Identifier("reference", tables.features)
        )
    )
    connection.execute(sql.SQL("CREATE INDEX ON {} USING gist (geom)").format(target))
    connection.execute(sql.SQL("ANALYZE {}").format(target))


def attach(connection: Connection, tables: StagedTables) -> None:
    """Make the version's tables partitions, so that queries of the layer can see them."""
    _attach(connection, tables.layer.name, tables.features, tables.version)
    if tables.layer.subdivided:
        _attach(connection, tables.layer.parts, tables.parts, tables.version)


def drop(connection: Connection, tables: StagedTables) -> None:
    """Remove whatever of the version's tables exists."""
    for name in (tables.features, tables.parts):
        connection.execute(
            sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier("reference", name))
        )


def _spatial_rows(
    rows: Rows, readers: list[ColumnReader], without_geometry: Tally
) -> Iterator[tuple[object, ...]]:
    for number, (wkb, *raw) in enumerate(rows, start=1):
        if wkb is None:
            without_geometry.add(f"feature {number}")
        yield (number, wkb, *_typed(readers, number, raw))


def _plain_rows(rows: Rows, readers: list[ColumnReader]) -> Iterator[tuple[object, ...]]:
    for number, (_, *raw) in enumerate(rows, start=1):
        yield (number, *_typed(readers, number, raw))


def _works_rows(
    rows: Rows, readers: list[ColumnReader], notes: WorksNotes
) -> Iterator[tuple[object, ...]]:
    for number, works in enumerate(expand((row[1:] for row in rows), notes), start=1):
        raw = (works.code, *works.others)
        yield (number, *_typed(readers, works.source_row, raw), works.source_row)


def _typed(readers: list[ColumnReader], row: int, raw: Sequence[object]) -> list[Value]:
    return [reader.read(row, value) for reader, value in zip(readers, raw, strict=True)]


def _table_columns(layer: Layer) -> tuple[Column, ...]:
    if layer.name == WORKS_LOOKUP:
        return (*layer.columns, _SOURCE_ROW)
    return layer.columns


def _create_staged(layer: Layer, columns: Sequence[Column]) -> sql.Composed:
    definitions: list[sql.Composable] = [
        sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type))
        for column in columns
    ]
    if layer.spatial:
        definitions.append(sql.SQL("wkb bytea"))
    return sql.SQL("CREATE TEMPORARY TABLE staged (id bigint, {}) ON COMMIT DROP").format(
        sql.SQL(", ").join(definitions)
    )


def _create_like(connection: Connection, parent: str, name: str, version: int) -> None:
    # The check lets ATTACH PARTITION trust the rows without reading them.
    connection.execute(
        sql.SQL(
            "CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING CONSTRAINTS,"
            " CHECK (version = {}))"
        ).format(
            sql.Identifier("reference", name),
            sql.Identifier("reference", parent),
            sql.Literal(version),
        )
    )


def _attach(connection: Connection, parent: str, name: str, version: int) -> None:
    connection.execute(
        sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES IN ({})").format(
            sql.Identifier("reference", parent),
            sql.Identifier("reference", name),
            sql.Literal(version),
        )
    )
