"""What an export has put where: the object that readers look at first, and that is written last."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

FILE_NAME = "manifest.json"


def archive_key(key_prefix: str, schema: str) -> str:
    """Where a schema's archive is; every run replaces it."""
    return f"{key_prefix}{schema}.tgz"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class ExportedTable(_Model):
    """A member of an archive; ``csv_bytes`` before compression, header included."""

    name: str
    rows: int
    csv_bytes: int


class ExportedSchema(_Model):
    """An archive, or why there is none from this run; then the old object is not part of it."""

    schema_name: str = Field(alias="schema")
    key: str
    version_id: str | None = Field(None, description="of the object, in a versioned bucket")
    bytes: int | None = None
    sha256: str | None = None
    snapshot_at: datetime
    tables: tuple[ExportedTable, ...] = ()
    error: str | None = None

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)


class ExportManifest(_Model):
    """One run; ``snapshot`` is PostgreSQL's name of the moment that every row is from."""

    run_id: UUID
    started_at: datetime
    finished_at: datetime
    snapshot: str
    snapshot_at: datetime
    status: Literal["complete", "partial"]
    schemas: tuple[ExportedSchema, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """The schemas without an archive from this run."""
        return tuple(one.schema_name for one in self.schemas if one.error is not None)

    def content(self) -> bytes:
        """The object as it is stored."""
        return self.model_dump_json(by_alias=True, indent=2).encode() + b"\n"
