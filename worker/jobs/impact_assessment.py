"""The impact assessment: a boundary from S3 or from the message becomes an assessment.

It computes and says what has to be delivered; it sends nothing. The two forms of the message
differ in where the boundary comes from and where the result goes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from psycopg import Connection

from worker.assessments import gcn, nutrient
from worker.assessments.layers import LayerCache
from worker.assessments.nutrient_result import NutrientResult
from worker.boundary.inline import boundary_from_geojson
from worker.boundary.model import Boundary, Site, SurveyPonds
from worker.boundary.sandbox import Sandbox
from worker.boundary.sites import newt_sites_from_boundary, sites_from_boundary
from worker.clients.db import Database, cancel
from worker.clients.s3 import BoundaryStore
from worker.errors import MissingInput, WorkerError
from worker.jobs.attachments import Attachments, attachments
from worker.jobs.context import JobContext
from worker.jobs.deliveries import JobResultDelivery, QuotePatchDelivery
from worker.jobs.levy import LevyRate, read_levy_rates
from worker.jobs.notices import Notices, Subject
from worker.jobs.payloads import (
    AssessmentRequest,
    QuoteRequest,
    job_key,
    parse_request,
    request_hash,
)
from worker.jobs.quote_patch import quote_patch
from worker.jobs.registry import Job, JobOutput
from worker.jobs.report_files import NewtOutcome, NutrientOutcome, Outcome
from worker.ledger.models import JsonObject, NewDelivery
from worker.queue.envelope import Envelope
from worker.reports.document import About
from worker.scratch import scratch_directory
from worker.settings import IMPACT_ASSESSMENT, Settings

_FileT = TypeVar("_FileT")


def _utc_now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class Tools:
    """What every assessment works with; made once, used by one job at a time."""

    settings: Settings
    database: Database
    store: BoundaryStore
    sandbox: Sandbox
    notices: Notices
    layers: LayerCache = field(default_factory=LayerCache)
    now: Callable[[], datetime] = _utc_now


class ImpactAssessments:
    """The job type ``impact-assessment``, in the shapes in which it arrives."""

    name = IMPACT_ASSESSMENT
    # Each kind of assessment runs as soon as its own layers are there.
    layer_sets = (nutrient.REQUIRED_LAYERS, gcn.REQUIRED_LAYERS)

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def accept(self, envelope: Envelope) -> Job:
        """Validate the payload; raises MessageError ``payload_invalid`` and others."""
        request = parse_request(envelope)
        if isinstance(request, QuoteRequest):
            return QuoteJob(self._tools, request)
        if request.assessment_type == "gcn":
            return NewtFileJob(self._tools, request)
        return NutrientFileJob(self._tools, request)


class FileJob(ABC):
    """A boundary file in S3; the result is posted, then the developer gets an e-mail.

    What is computed is a subclass's affair; where files come from and results go is the same.
    """

    type = IMPACT_ASSESSMENT
    optional_layers: tuple[str, ...] = ()

    def __init__(self, tools: Tools, request: AssessmentRequest) -> None:
        self._tools = tools
        self._request = request
        self.key = job_key(request)
        self.payload_hash = request_hash(request)
        self.payload: JsonObject = request.payload()

    def run(self, context: JobContext) -> JobOutput:
        outcome = self._assess(context)
        document = outcome.result.model_dump(mode="json")
        posted = JobResultDelivery(
            job_id=self.key, body={"job_id": self.key, "status": "SUCCEEDED", "result": document}
        )
        return JobOutput(
            document,
            (
                NewDelivery("result", posted.kind, posted.as_json(), required=True),
                *self._tools.notices.completed(
                    self._subject(),
                    self._request.developer_email,
                    self._attachments(outcome, context),
                ),
            ),
        )

    def started(self) -> tuple[NewDelivery, ...]:
        return self._tools.notices.started(self._subject(), self._request.developer_email)

    def failed(self, error: WorkerError) -> tuple[NewDelivery, ...]:
        posted = JobResultDelivery(
            job_id=self.key,
            body={
                "job_id": self.key,
                "status": "FAILED",
                "error": {"code": error.code, "message": error.sentence},
            },
        )
        return (
            NewDelivery("failed-result", posted.kind, posted.as_json()),
            *self._tools.notices.failed(self._subject(), error),
        )

    @property
    @abstractmethod
    def layers(self) -> tuple[str, ...]:
        """Reference layers without which the job cannot run."""

    @abstractmethod
    def _assess(self, context: JobContext) -> Outcome: ...

    def _attachments(self, outcome: Outcome, context: JobContext) -> Attachments | None:
        """The files of the e-mail; None if they are not wanted or there is nobody to send to."""
        if not self._tools.settings.notify.report_by_email or not self._request.developer_email:
            return None
        about = About(self._request.development_name, self.key, self._tools.now())
        return attachments(
            outcome,
            about,
            partial(_interruptible, self._tools, context),
            context.interruption.checkpoint,
        )

    def _read(self, context: JobContext, key: str, read: Callable[[Path], _FileT]) -> _FileT:
        """What ``read`` makes of an object in S3; an interruption kills the reading child."""
        tools = self._tools
        bucket = self._request.s3_bucket or tools.settings.aws.default_input_bucket
        with scratch_directory("download") as directory:
            downloaded = tools.store.download(
                bucket, key, directory, max_bytes=tools.settings.boundary.boundary_max_bytes
            )
            with context.interruption.abortable(tools.sandbox.abort):
                return read(downloaded.path)

    def _boundary(self, context: JobContext, *, with_dwellings: bool) -> Boundary:
        key = self._request.s3_input_key
        read = partial(
            self._tools.sandbox.read_boundary, filename_hint=key, with_dwellings=with_dwellings
        )
        return self._read(context, key, read)

    def _subject(self) -> Subject:
        return Subject(self.key, self._request.development_name, self._request.assessment_type)


class NutrientFileJob(FileJob):
    """Nutrients of the sites in the file."""

    layers = nutrient.REQUIRED_LAYERS

    def _assess(self, context: JobContext) -> NutrientOutcome:
        boundary = self._boundary(context, with_dwellings=True)
        found = sites_from_boundary(boundary, dwellings=self._request.number_of_dwellings)
        sites = tuple(map(self._described, found))
        result = _assess_nutrient(self._tools, context, sites)
        return NutrientOutcome(sites, context.versions, result)

    def _described(self, site: Site) -> Site:
        """The site with what the message says of it where the file says nothing."""
        return replace(
            site,
            name=site.name or self._request.development_name,
            dwelling_category=site.dwelling_category or self._request.dwelling_type,
        )


class NewtFileJob(FileJob):
    """Great crested newts, from the ponds of a survey or, without one, the national ponds."""

    @property
    def layers(self) -> tuple[str, ...]:
        return gcn.required_layers(has_survey=self._request.survey_ponds_key is not None)

    def _assess(self, context: JobContext) -> NewtOutcome:
        sites = newt_sites_from_boundary(self._boundary(context, with_dwellings=False))
        survey = self._survey(context)
        tools = self._tools
        with _interruptible(tools, context) as connection:
            result = gcn.assess_gcn(
                connection,
                sites,
                survey,
                context.versions,
                tools.settings.gcn,
                layers=tools.layers,
                checkpoint=context.interruption.checkpoint,
            )
        return NewtOutcome(sites, survey, context.versions, result)

    def _survey(self, context: JobContext) -> SurveyPonds | None:
        key = self._request.survey_ponds_key
        if key is None:
            return None
        read = partial(self._tools.sandbox.read_survey_ponds, filename_hint=key)
        try:
            return self._read(context, key, read)
        except MissingInput as error:
            raise MissingInput(
                error.code,
                "The survey ponds file is not in the upload bucket.",
                detail=error.detail,
            ) from error


class QuoteJob:
    """A geometry in the message; the backend takes the result and e-mails the applicant."""

    type = IMPACT_ASSESSMENT
    layers = nutrient.REQUIRED_LAYERS
    optional_layers = ("levy_rates",)

    def __init__(self, tools: Tools, request: QuoteRequest) -> None:
        self._tools = tools
        self._request = request
        self.key = job_key(request)
        self.payload_hash = request_hash(request)
        self.payload: JsonObject = request.payload()

    def run(self, context: JobContext) -> JobOutput:
        boundary = boundary_from_geojson(
            self._request.boundary.geometry.model_dump(exclude_none=True),
            max_vertices=self._tools.settings.boundary.boundary_max_vertices,
            max_area_ha=self._tools.settings.boundary.boundary_max_area_ha,
        )
        (site,) = sites_from_boundary(boundary, dwellings=self._request.dwellings)
        named = replace(site, dwelling_category=self._request.dwelling_category)
        result = _assess_nutrient(self._tools, context, (named,))
        backend = self._tools.settings.backend
        patch = quote_patch(
            result,
            schema=backend.backend_patch_schema,
            accepts_empty_edps=backend.backend_accepts_empty_edps,
            levy_rates=self._levy_rates(context),
        )
        # Whether the backend was told, and if not why, is part of what the ledger keeps.
        document = {
            **result.model_dump(mode="json"),
            "backend_told": patch.body is not None,
            "backend_note": patch.fact,
        }
        if patch.body is None:
            return JobOutput(document)
        delivery = QuotePatchDelivery(reference=self._request.reference, body=patch.body)
        return JobOutput(
            document,
            (NewDelivery("result", delivery.kind, delivery.as_json(), required=True),),
        )

    def started(self) -> tuple[NewDelivery, ...]:
        return ()

    def failed(self, error: WorkerError) -> tuple[NewDelivery, ...]:
        # The contract has no way to tell the backend that a quote has failed.
        subject = Subject(self._request.reference, None, "nutrient")
        return self._tools.notices.failed(subject, error)

    def _levy_rates(self, context: JobContext) -> dict[str, LevyRate]:
        if "levy_rates" not in context.versions.layers:
            return {}
        with self._tools.database.connection() as connection:
            return read_levy_rates(connection, context.versions.of("levy_rates"))


def _assess_nutrient(tools: Tools, context: JobContext, sites: tuple[Site, ...]) -> NutrientResult:
    with _interruptible(tools, context) as connection:
        return nutrient.assess_nutrient(
            connection,
            sites,
            context.versions,
            tools.settings.nutrient,
            layers=tools.layers,
            checkpoint=context.interruption.checkpoint,
        )


@contextmanager
def _interruptible(tools: Tools, context: JobContext) -> Iterator[Connection]:
    """A connection whose running query is cancelled when the job is told to stop."""
    with (
        tools.database.connection() as connection,
        context.interruption.abortable(partial(cancel, connection)),
    ):
        yield connection
