"""What commands do with assessments: assess a file without a queue, or put one on the queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from boto3.exceptions import Boto3Error
from boto3.session import Session
from botocore.exceptions import BotoCoreError, ClientError

from worker.assessments import gcn, nutrient
from worker.assessments.gcn_result import GcnResult
from worker.assessments.nutrient_result import NutrientResult
from worker.boundary.sandbox import Sandbox
from worker.boundary.sites import newt_sites_from_boundary, sites_from_boundary
from worker.clients.db import Database
from worker.errors import BoundaryError, ConfigurationError, TransientError
from worker.jobs.payloads import AssessmentRequest, parse_assessment
from worker.jobs.report_files import NewtOutcome, NutrientOutcome, write_files
from worker.reference.versions import pin_versions
from worker.reports.document import About
from worker.settings import Settings

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_sqs.client import SQSClient


def assess_file(
    settings: Settings,
    database: Database,
    boundary_file: Path,
    *,
    dwellings: int | None,
    output: Path | None = None,
) -> NutrientResult:
    """The nutrient assessment of a boundary file, with the checks and the code of the daemon.

    ``output`` is a folder for the result, its figures and the report. Raises BoundaryError,
    ReferenceDataMissing, ReferenceDataError and DependencyDown.
    """
    _require_file(boundary_file)
    with Sandbox(settings.boundary, settings.gcn) as sandbox:
        boundary = sandbox.read_boundary(boundary_file, filename_hint=boundary_file.name)
    sites = sites_from_boundary(boundary, dwellings=dwellings)
    with database.connection() as connection:
        versions = pin_versions(connection, nutrient.REQUIRED_LAYERS)
        result = nutrient.assess_nutrient(connection, sites, versions, settings.nutrient)
        if output is not None:
            outcome = NutrientOutcome(sites, versions, result)
            write_files(outcome, connection, _about(boundary_file), output)
    return result


def assess_newts(
    settings: Settings,
    database: Database,
    boundary_file: Path,
    *,
    ponds_file: Path | None,
    output: Path | None = None,
) -> GcnResult:
    """The newt assessment of a boundary file, with surveyed ponds or without; as above."""
    _require_file(boundary_file)
    survey = None
    with Sandbox(settings.boundary, settings.gcn) as sandbox:
        boundary = sandbox.read_boundary(
            boundary_file, filename_hint=boundary_file.name, with_dwellings=False
        )
        if ponds_file is not None:
            _require_file(ponds_file)
            survey = sandbox.read_survey_ponds(ponds_file, filename_hint=ponds_file.name)
    sites = newt_sites_from_boundary(boundary)
    layers = gcn.required_layers(has_survey=survey is not None)
    with database.connection() as connection:
        versions = pin_versions(connection, layers)
        result = gcn.assess_gcn(connection, sites, survey, versions, settings.gcn)
        if output is not None:
            outcome = NewtOutcome(sites, survey, versions, result)
            write_files(outcome, connection, _about(boundary_file), output)
    return result


def _about(boundary_file: Path) -> About:
    return About(None, boundary_file.name, datetime.now(UTC).replace(microsecond=0))


def _require_file(file: Path) -> None:
    if not file.is_file():
        raise BoundaryError("not_a_boundary_file", f"There is no file {file.name}.")


@dataclass(frozen=True, slots=True)
class Submitted:
    """A message on the queue: how to find its job, and its correlation id."""

    job_id: str
    message_id: str
    correlation_id: str


def new_request(
    boundary_file: Path,
    *,
    assessment: str,
    ponds_file: Path | None,
    dwellings: int | None,
    job_id: str | None,
    email: str | None,
    name: str | None,
) -> AssessmentRequest:
    """The message that asks for an assessment of the file; raises MessageError for bad values."""
    job = job_id or f"manual-{uuid4().hex[:12]}"
    body: dict[str, object] = {
        "job_id": job,
        "s3_input_key": f"{job}/{boundary_file.name}",
        "assessment_type": assessment,
        "submitted_at": datetime.now(UTC).isoformat(),
        "number_of_dwellings": dwellings,
        "developer_email": email,
        "development_name": name,
        "survey_ponds_key": None if ponds_file is None else f"{job}/ponds/{ponds_file.name}",
    }
    return parse_assessment(body)


def submit_files(
    settings: Settings, boundary_file: Path, ponds_file: Path | None, request: AssessmentRequest
) -> Submitted:
    """Upload the files of a request and put its message on the queue, as the backend does.

    Raises ConfigurationError, and TransientError ``aws_unavailable`` for whatever AWS refuses.
    """
    needed = {
        "SQS_QUEUE_URL": settings.queue.sqs_queue_url,
        "S3_INPUT_BUCKET": settings.aws.default_input_bucket,
    }
    missing = tuple(f"{name} is required" for name, value in needed.items() if not value)
    if missing:
        raise ConfigurationError(missing)
    try:
        return _submit(settings, boundary_file, ponds_file, request)
    except (BotoCoreError, ClientError, Boto3Error) as error:
        raise TransientError(
            "aws_unavailable", "The request could not be submitted.", detail=str(error)
        ) from error


def _submit(
    settings: Settings, boundary_file: Path, ponds_file: Path | None, request: AssessmentRequest
) -> Submitted:
    client = Session().client
    region, endpoint = settings.aws.aws_region, settings.aws.aws_endpoint_url
    s3: S3Client = client("s3", region_name=region, endpoint_url=endpoint)
    sqs: SQSClient = client("sqs", region_name=region, endpoint_url=endpoint)
    bucket = request.s3_bucket or settings.aws.default_input_bucket
    correlation_id = str(uuid4())
    s3.upload_file(str(boundary_file), bucket, request.s3_input_key)
    if ponds_file is not None and request.survey_ponds_key is not None:
        s3.upload_file(str(ponds_file), bucket, request.survey_ponds_key)
    answer = sqs.send_message(
        QueueUrl=settings.queue.sqs_queue_url,
        MessageBody=request.model_dump_json(exclude_none=True),
        MessageAttributes={"CorrelationId": {"DataType": "String", "StringValue": correlation_id}},
    )
    return Submitted(request.job_id, answer["MessageId"], correlation_id)
