"""Loading reference data by message, so that an operator needs no shell where the worker runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Literal

from pydantic import Field, JsonValue

from worker.clients.db import Database, cancel
from worker.clients.s3 import ReferenceStore
from worker.errors import ConfigurationFault, MissingInput, WorkerError
from worker.jobs.context import Interruption, JobContext
from worker.jobs.notices import Notices, Subject
from worker.jobs.payloads import Bucket, JobId, Payload, S3Key, Text, validated
from worker.jobs.registry import Job, JobOutput
from worker.ledger.hashing import payload_hash
from worker.ledger.models import JsonObject, NewDelivery
from worker.queue.envelope import Envelope
from worker.reference.manifest import ManifestLoad, ManifestObject, load_manifest
from worker.reference.progress import LogProgress
from worker.reference.switch import Cause
from worker.settings import REFERENCE_LOAD, Settings


class ReferenceLoadRequest(Payload):
    """An operator's message: load the data set that a manifest in S3 describes."""

    job_type: Literal["reference.load"] = Field(alias="jobType", exclude=True)
    job_id: JobId = Field(alias="jobId")
    manifest_key: S3Key
    bucket: Bucket | None = Field(
        None,
        description="one of the worker's reference buckets; default the first of them",
    )
    force_reason: Text | None = Field(
        None,
        min_length=1,
        description="ignore failed checks that do not make the data unusable; recorded",
    )

    def payload(self) -> dict[str, JsonValue]:
        """The request as it is stored and hashed."""
        return self.model_dump(mode="json")


@dataclass(frozen=True, slots=True)
class Tools:
    """What every load works with; made once."""

    settings: Settings
    database: Database
    store: ReferenceStore
    notices: Notices


class ReferenceLoads:
    """The job type ``reference.load``; it needs no layer, since it brings them."""

    name = REFERENCE_LOAD
    layer_sets: tuple[tuple[str, ...], ...] = ()

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def accept(self, envelope: Envelope) -> Job:
        """Validate the payload; raises MessageError ``payload_invalid``."""
        return ReferenceLoadJob(self._tools, validated(ReferenceLoadRequest, envelope.body))


class ReferenceLoadJob:
    """One data set; its result says which versions are active because of it."""

    type = REFERENCE_LOAD
    layers: tuple[str, ...] = ()
    optional_layers: tuple[str, ...] = ()

    def __init__(self, tools: Tools, request: ReferenceLoadRequest) -> None:
        self._tools = tools
        self._request = request
        self.key = request.job_id
        self.payload: JsonObject = request.payload()
        self.payload_hash = payload_hash(self.payload, REFERENCE_LOAD)

    def run(self, context: JobContext) -> JobOutput:
        aws = self._tools.settings.aws
        place = ManifestObject(
            self._request.bucket or aws.default_reference_bucket,
            self._request.manifest_key,
            aws.s3_max_reference_bytes,
        )
        interruption = context.interruption
        with (
            self._tools.database.dedicated() as connection,
            interruption.abortable(partial(cancel, connection)),
        ):
            # While objects come in, no transaction is open.
            connection.autocommit = True
            try:
                loaded = load_manifest(
                    connection,
                    self._tools.store,
                    place,
                    Cause(f"job {self.key}", self._request.force_reason),
                    progress=_InterruptibleProgress(interruption),
                    checkpoint=interruption.checkpoint,
                )
            except ConfigurationFault as fault:
                # Assessments do not read this bucket, so they need not wait until it is open.
                raise MissingInput(fault.code, fault.sentence, detail=fault.detail) from fault
        return JobOutput(_document(loaded))

    def started(self) -> tuple[NewDelivery, ...]:
        return ()

    def failed(self, error: WorkerError) -> tuple[NewDelivery, ...]:
        about = f"Reference data {self._request.manifest_key}"
        return self._tools.notices.failed(Subject(self.key, about, REFERENCE_LOAD), error)


class _InterruptibleProgress(LogProgress):
    """Log events, and the place where a load that has to stop notices it."""

    def __init__(self, interruption: Interruption) -> None:
        super().__init__()
        self._interruption = interruption

    def started(self, subject: str, total: int) -> None:
        self._interruption.checkpoint()
        super().started(subject, total)

    def advanced(self, subject: str, rows: int) -> None:
        self._interruption.checkpoint()
        super().advanced(subject, rows)

    def step(self, subject: str, name: str) -> None:
        self._interruption.checkpoint()
        super().step(subject, name)


def _document(loaded: ManifestLoad) -> JsonObject:
    return {
        "data_version": loaded.data_version,
        "versions": loaded.versions,
        "already_active": loaded.report is None,
        "report": None if loaded.report is None else asdict(loaded.report),
    }
