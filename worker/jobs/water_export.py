"""The copy of the licensing tables, for when the reporting database was not refreshed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Literal
from uuid import UUID

from pydantic import Field, field_validator

from worker.clients.db import Connection, cancel
from worker.clients.domains import DomainDatabase
from worker.clients.s3_upload import OutputStore
from worker.errors import ConfigurationFault, MissingInput, PermanentError
from worker.jobs.context import JobContext
from worker.jobs.notices import Notices
from worker.jobs.preview import PreviewDay, PreviewLine
from worker.jobs.scheduled import ScheduledRequest, ScheduledResult, ScheduledType, Summaries
from worker.settings import WATER_EXPORT, ExportSettings, Settings
from worker.water.export_catalog import Outlook, outlook
from worker.water.export_lines import LineStyle
from worker.water.export_manifest import FILE_NAME, ExportManifest, archive_key
from worker.water.export_run import ExportPlan, Hold, export

# An export takes minutes to hours, and its second copy has three receives.
_RETRY_AFTER_S = 1800.0
# Names of tables in a reason of the preview.
_NAMED = 3


class WaterExportRequest(ScheduledRequest):
    """The schedule's or an operator's message: copy the schemas into archives in S3."""

    job_type: Literal["water.export"] = Field(exclude=True)
    schemas: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="some of the schemas in WATER_EXPORT_SCHEMAS; all of them if left out",
    )

    @field_validator("schemas")
    @classmethod
    def _each_once(cls, schemas: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if schemas is not None and len(set(schemas)) < len(schemas):
            raise ValueError("names a schema twice")
        return schemas


class SchemaResult(ScheduledResult):
    """One archive: ``size`` in bytes, rows and tables in it."""

    key: str
    size: int
    sha256: str
    tables: int
    rows: int


class WaterExportResult(ScheduledResult):
    """What the run has put into S3; the manifest has the rows of each table."""

    run_id: UUID
    manifest_key: str
    snapshot_at: datetime
    archives: tuple[SchemaResult, ...]

    def counts(self) -> Mapping[str, int]:
        return {
            "archives": len(self.archives),
            "tables": sum(archive.tables for archive in self.archives),
            "rows": sum(archive.rows for archive in self.archives),
            "bytes": sum(archive.size for archive in self.archives),
        }


@dataclass(frozen=True, slots=True)
class Tools:
    """What every export works with; ``store`` is None if no bucket is configured."""

    settings: ExportSettings
    database: DomainDatabase
    store: OutputStore | None


def export_type(
    settings: Settings, database: DomainDatabase, notices: Notices
) -> ScheduledType[WaterExportRequest]:
    """The job type ``water.export``."""
    store = OutputStore(settings.aws) if settings.aws.s3_output_bucket else None
    return ScheduledType(
        WATER_EXPORT,
        WaterExportRequest,
        partial(perform, Tools(settings.export, database, store)),
        notices,
        Summaries("DB export complete", "DB export incomplete"),
    )


def perform(tools: Tools, request: WaterExportRequest, context: JobContext) -> WaterExportResult:
    """One run; raises PermanentError ``export_bucket_missing`` and ``export_schema_not_allowed``.

    Beside these: what ``worker.water.export_run.export`` raises; MissingInput ``s3_access_denied``
    if the bucket is closed to us; TransientError ``job_already_running``.
    """
    if tools.store is None:
        raise PermanentError(
            "export_bucket_missing", "No bucket is configured for exports (S3_OUTPUT_BUCKET)."
        )
    plan = _plan(tools.settings, request)
    interruption = context.interruption
    with (
        tools.database.single_flight(WATER_EXPORT, retry_after_s=_RETRY_AFTER_S) as still_alone,
        tools.database.connection() as connection,
        interruption.abortable(partial(cancel, connection)),
    ):
        try:
            manifest = export(
                connection, tools.store, plan, Hold(interruption.checkpoint, still_alone)
            )
        except ConfigurationFault as fault:
            # No other job writes to this bucket, so none need wait until it is open.
            raise MissingInput(fault.code, fault.sentence, detail=fault.detail) from fault
    return _result(manifest, plan)


def _plan(settings: ExportSettings, request: WaterExportRequest) -> ExportPlan:
    asked = request.schemas or settings.water_export_schemas
    unknown = set(asked) - set(settings.water_export_schemas)
    if unknown:
        raise PermanentError(
            "export_schema_not_allowed",
            "Only schemas that WATER_EXPORT_SCHEMAS names are exported.",
            detail=", ".join(sorted(unknown)),
        )
    return ExportPlan(
        run_id=request.run,
        schemas=asked,
        key_prefix=settings.water_export_key_prefix,
        member_prefix=settings.water_export_member_prefix,
        style=LineStyle(
            legacy_midnight=settings.water_export_legacy_midnight,
            legacy_empty=settings.water_export_legacy_empty,
        ),
    )


def _result(manifest: ExportManifest, plan: ExportPlan) -> WaterExportResult:
    return WaterExportResult(
        run_id=manifest.run_id,
        manifest_key=plan.key_prefix + FILE_NAME,
        snapshot_at=manifest.snapshot_at,
        archives=tuple(
            SchemaResult(
                key=schema.key,
                size=schema.bytes or 0,
                sha256=schema.sha256 or "",
                tables=len(schema.tables),
                rows=schema.rows,
            )
            for schema in manifest.schemas
        ),
    )


def preview_export(
    settings: ExportSettings, connection: Connection, days: tuple[date, ...]
) -> Iterator[PreviewDay]:
    """Which archives each run would replace; every day is the same, as far as we know today."""
    lines = tuple(
        _preview_line(settings, schema)
        for schema in outlook(connection, settings.water_export_schemas)
    )
    for day in days:
        yield PreviewDay(day, lines)


def _preview_line(settings: ExportSettings, schema: Outlook) -> PreviewLine:
    subject = archive_key(settings.water_export_key_prefix, schema.schema_name)
    if not schema.tables:
        return PreviewLine(subject, "nothing", "there is no table in the schema: the run will fail")
    if schema.unreadable:
        names = ", ".join(schema.unreadable[:_NAMED])
        more = "" if len(schema.unreadable) <= _NAMED else ", …"
        reason = f"the worker may not read {names}{more}: the run will fail"
        return PreviewLine(subject, "nothing", reason)
    return PreviewLine(subject, "replace", f"{schema.tables} tables, {schema.size} in the database")
