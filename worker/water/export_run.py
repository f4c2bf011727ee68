"""One export: every schema into an archive in S3, then the manifest that says what is there.

A schema that fails does not keep the others from being exported: each is read behind a savepoint,
so that the transaction and its snapshot outlive an error of the database.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psycopg

from worker.clients.db import Connection, translated
from worker.clients.s3_upload import OutputStore, UploadedObject
from worker.errors import DependencyDown, Interrupted, PermanentError, TransientError, WorkerError
from worker.logs import logger, redact
from worker.scratch import scratch_directory
from worker.water.export_archive import Archive
from worker.water.export_catalog import Contents, Table, contents
from worker.water.export_lines import LineStyle
from worker.water.export_manifest import (
    FILE_NAME,
    ExportedSchema,
    ExportedTable,
    ExportManifest,
    archive_key,
)
from worker.water.export_read import TableFile

_log = logger(__name__)

_PROGRESS_INTERVAL_S = 10.0
_ARCHIVE_TYPE, _MANIFEST_TYPE = "application/gzip", "application/json"


class ExportIncomplete(TransientError):
    """Not every schema could be exported; the manifest of the run says which."""

    def __init__(self, failed: tuple[str, ...]) -> None:
        super().__init__(
            "export_incomplete", f"These schemas could not be exported: {', '.join(failed)}."
        )
        self.failed = failed


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """What to export, and how files are named; ``key_prefix`` and ``member_prefix`` end in /."""

    run_id: UUID
    schemas: tuple[str, ...]
    key_prefix: str
    member_prefix: str = ""
    style: LineStyle = field(default_factory=LineStyle)


@dataclass(frozen=True, slots=True)
class Hold:
    """How an export learns that it must not go on; both raise.

    ``checkpoint``: it has to stop. ``still_alone``: the lock that keeps others away is lost.
    """

    checkpoint: Callable[[], None]
    still_alone: Callable[[], None]


def export(
    connection: Connection,
    store: OutputStore,
    plan: ExportPlan,
    hold: Hold,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> ExportManifest:
    """Export the plan's schemas as they are at one moment; returns the manifest, which is in S3.

    Raises ExportIncomplete when the manifest says so; before anything is read, what
    ``OutputStore.prepare`` raises; psycopg's error if the connection is lost, and then there is no
    new manifest.
    """
    started_at = clock()
    store.prepare(plan.key_prefix, checkpoint=hold.checkpoint)
    with scratch_directory("export") as directory, contents(connection, plan.schemas) as found:
        _log.info(
            "export.begun",
            snapshot=found.snapshot.id,
            tables=sum(len(tables) for tables in found.tables.values()),
        )
        exports = _SchemaExports(connection, store, plan, hold, found, directory)
        schemas = tuple(exports.attempt(schema) for schema in plan.schemas)
    manifest = ExportManifest(
        run_id=plan.run_id,
        started_at=started_at,
        finished_at=clock(),
        snapshot=found.snapshot.id,
        snapshot_at=found.snapshot.taken_at,
        status="partial" if any(schema.error for schema in schemas) else "complete",
        schemas=schemas,
    )
    hold.still_alone()
    store.put(
        plan.key_prefix + FILE_NAME,
        manifest.content(),
        content_type=_MANIFEST_TYPE,
        checkpoint=hold.checkpoint,
    )
    if manifest.failed:
        raise ExportIncomplete(manifest.failed)
    return manifest


class _SchemaExports:
    """Exports one schema after the other from one snapshot."""

    def __init__(
        self,
        connection: Connection,
        store: OutputStore,
        plan: ExportPlan,
        hold: Hold,
        found: Contents,
        directory: Path,
    ) -> None:
        self._connection = connection
        self._store = store
        self._plan = plan
        self._hold = hold
        self._found = found
        self._directory = directory

    def attempt(self, schema: str) -> ExportedSchema:
        """The schema's entry in the manifest: its archive, or why there is none."""
        key = archive_key(self._plan.key_prefix, schema)
        entry = ExportedSchema(
            schema_name=schema, key=key, snapshot_at=self._found.snapshot.taken_at
        )
        started = time.monotonic()
        try:
            uploaded, tables = self._export(schema, key)
        except (psycopg.Error, OSError, WorkerError) as error:
            # What was interrupted fails in its own way: a query was cancelled.
            self._hold.checkpoint()
            self._hold.still_alone()
            if isinstance(error, Interrupted) or self._connection.closed:
                raise
            failure = _meaning(error, schema)
            _log.error(
                "export.schema_failed",
                summary=f"Error: Failed to export schema {schema}",
                schema=schema,
                error_code=failure.code,
                error_sentence=failure.sentence,
                error_detail=failure.detail,
            )
            return entry.model_copy(update={"error": f"{failure.code}: {failure.sentence}"})
        done = entry.model_copy(
            update={
                "version_id": uploaded.version_id,
                "bytes": uploaded.size,
                "sha256": uploaded.sha256,
                "tables": tables,
            }
        )
        _log.info(
            "export.schema_written",
            schema=schema,
            tables=len(tables),
            rows=done.rows,
            bytes=done.bytes,
            duration_s=round(time.monotonic() - started, 3),
        )
        return done

    def _export(self, schema: str, key: str) -> tuple[UploadedObject, tuple[ExportedTable, ...]]:
        tables = self._found.tables[schema]
        if not tables:
            raise PermanentError("export_schema_empty", "Error: Unable to fetch table names")
        if schema in self._found.locked_out:
            raise self._found.locked_out[schema]
        with self._store.upload(
            key, content_type=_ARCHIVE_TYPE, checkpoint=self._hold.checkpoint
        ) as upload:
            archive = Archive(upload.write, self._directory, modified=self._found.snapshot.taken_at)
            with self._connection.transaction():
                exported = tuple(self._add(archive, table) for table in tables)
            archive.close()
            self._hold.still_alone()
            return upload.complete(), exported

    def _add(self, archive: Archive, table: Table) -> ExportedTable:
        if "/" in table.name:
            raise PermanentError(
                "export_table_name", "A table's name cannot be that of a file: it contains a /."
            )
        progress = _Progress(table, self._hold.checkpoint)
        rows = TableFile(self._connection, table, self._plan.style, progress.read)
        member = f"{self._plan.member_prefix}{table.schema}/{table.name}.csv"
        size = archive.add(member, rows)
        return ExportedTable(name=table.name, rows=rows.rows, csv_bytes=size)


class _Progress:
    """A line in the log every ten seconds, and where a run that has to stop notices it."""

    def __init__(self, table: Table, checkpoint: Callable[[], None]) -> None:
        self._table = table
        self._checkpoint = checkpoint
        self._rows = 0
        self._last = time.monotonic()

    def read(self, rows: int) -> None:
        self._checkpoint()
        self._rows += rows
        now = time.monotonic()
        if now - self._last >= _PROGRESS_INTERVAL_S:
            self._last = now
            _log.info(
                "export.progress",
                schema=self._table.schema,
                table=self._table.name,
                rows=self._rows,
            )


def _meaning(error: psycopg.Error | OSError | WorkerError, schema: str) -> WorkerError:
    """What keeps a schema from being exported, in our terms; no values of rows."""
    if isinstance(error, WorkerError):
        return error
    if isinstance(error, OSError):
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            return TransientError(
                "disk_full", "There is no room for the largest table.", detail=str(error)
            )
        return TransientError("disk_failed", "A file could not be written.", detail=str(error))
    said = redact(error.diag.message_primary or type(error).__name__)
    try:
        with translated():
            raise error
    except DependencyDown:
        # The connection is alive: it is this table that makes trouble.
        pass
    except WorkerError as ours:
        return ours
    except psycopg.Error:
        pass
    return TransientError(
        "table_unreadable", f"A table of {schema} could not be read.", detail=said
    )
