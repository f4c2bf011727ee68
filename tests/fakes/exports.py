"""An export against a real database and a real bucket, and what readers find there."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from tests.fakes.worker_process import PATIENCE_S
from worker.clients.s3_upload import OutputStore
from worker.demo.aws import AwsEmulator
from worker.settings import AwsSettings
from worker.water.export_lines import LineStyle
from worker.water.export_manifest import ExportManifest
from worker.water.export_run import ExportPlan, Hold, export

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

SCHEMAS = ("water", "returns", "permit")
ALL_SCHEMAS = ("water", "returns", "crm", "crm_v2", "idm", "permit")
MANIFEST_KEY = "export/manifest.json"


def do_nothing() -> None:
    pass


@dataclass
class ExportWorld:
    """A database and a bucket of this test's own."""

    database_url: str
    aws: AwsEmulator
    bucket: str

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self.database_url) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def one_table_each(self, schemas: tuple[str, ...] = SCHEMAS) -> None:
        """Every schema, with one small table."""
        self.execute(
            *(f"CREATE SCHEMA IF NOT EXISTS {schema}" for schema in schemas),
            *(f"CREATE TABLE {schema}.things AS SELECT 1 AS id" for schema in schemas),
        )

    def export(
        self,
        *schemas: str,
        checkpoint: Callable[[], None] = do_nothing,
        still_alone: Callable[[], None] = do_nothing,
        style: LineStyle | None = None,
        member_prefix: str = "",
        endpoint_url: str | None = None,
        role: str = "none",
    ) -> ExportManifest:
        settings = AwsSettings(
            s3_output_bucket=self.bucket,
            aws_endpoint_url=endpoint_url or self.aws.endpoint_url,
            s3_upload_part_bytes=5 * 1024**2,
        )
        plan = ExportPlan(
            uuid.uuid4(), schemas or SCHEMAS, "export/", member_prefix, style or LineStyle()
        )
        with psycopg.connect(self.database_url, options=f"-c role={role}") as connection:
            return export(connection, OutputStore(settings), plan, Hold(checkpoint, still_alone))

    def manifest(self) -> ExportManifest:
        """The one in the bucket, as a reader sees it."""
        return ExportManifest.model_validate(json.loads(self.read(MANIFEST_KEY)))

    def read(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def keys(self) -> list[str]:
        """Objects of the bucket, by name."""
        objects = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return sorted(one["Key"] for one in objects)

    def unfinished_uploads(self) -> list[str]:
        uploads = self.s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        return [upload["Key"] for upload in uploads]

    def members(self, schema: str) -> dict[str, bytes]:
        """Name and content of each file in the schema's archive, in their order."""
        with tarfile.open(fileobj=io.BytesIO(self.read(f"export/{schema}.tgz"))) as archive:
            return {
                member.name: file.read()
                for member in archive
                if (file := archive.extractfile(member)) is not None
            }

    def rows(self, schema: str, table: str) -> list[list[str]]:
        """The rows of a table's file without the header, read as any CSV."""
        return read_csv(self.members(schema)[f"{schema}/{table}.csv"])[1:]

    @property
    def s3(self) -> S3Client:
        return self.aws.s3


def wait_until(condition: Callable[[], bool]) -> None:
    """Ask again until the answer is yes; gives up on a machine that is not just busy."""
    ends_at = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < ends_at, "it did not come to that"
        time.sleep(0.05)


def read_csv(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def scheduled(at: str = "2026-11-26T08:15:00Z", **changes: object) -> dict[str, object]:
    """The message of one run."""
    return {"jobType": "water.export", "scheduledTime": at, "runDate": at, **changes}
