"""What may be asked of the impact assessment: payload models and the identity of a request.

The JSON Schemas in ``docs/schemas`` are generated from these models (``worker.jobs.schemas``).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from worker.errors import MessageError
from worker.ledger.hashing import payload_hash
from worker.queue.envelope import Envelope, JsonObject
from worker.settings import IMPACT_ASSESSMENT

_MAX_PROBLEMS = 10
_MAX_SENTENCE = 2_000
# Of a name that has no place in a payload, only what can be a misspelt one of ours is told.
_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
# pydantic's own words for a UUID quote a character of the value.
_WORDS = {"missing": "is required", "uuid_parsing": "is not a UUID"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


def _whole_number(value: object) -> object:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number:
        raise ValueError("has to be a whole number")
    return value


def _no_control_characters(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("contains control characters")
    return value


def _s3_key(value: str) -> str:
    # S3 limits keys in bytes, not in characters.
    if len(value.encode()) > 1024:
        raise ValueError("is longer than 1024 bytes")
    return _no_control_characters(value)


def _email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise ValueError("is not an e-mail address")
    return _no_control_characters(value)


def _iso_8601(value: object) -> object:
    if value is None or isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str):
            return datetime.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError("is not an ISO 8601 date and time")


JobId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
QuoteReference = Annotated[str, Field(pattern=r"^NRF-[0-9]{6}$")]
S3Key = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_s3_key)]
Bucket = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
Email = Annotated[str, Field(max_length=254), AfterValidator(_email)]
Text = Annotated[str, Field(max_length=255), AfterValidator(_no_control_characters)]
Instant = Annotated[datetime, BeforeValidator(_iso_8601)]
# The backend asks its users for 1 to 999,999.
Count = Annotated[int, Field(ge=1, le=999_999), BeforeValidator(_whole_number)]


class Payload(BaseModel):
    """Unknown keys are ignored: the backend adds some before we know what they mean."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class AssessmentRequest(Payload):
    """The backend's assessment message: a boundary file in S3 and what to assess on it.

    ``number_of_dwellings`` may be left out if the boundary file gives the numbers.
    """

    job_id: JobId
    s3_input_key: S3Key
    s3_bucket: Bucket | None = Field(
        None,
        description="one of the worker's configured buckets; default the first of them",
    )
    assessment_type: Literal["nutrient", "gcn"]
    number_of_dwellings: Count | None = None
    developer_email: Email | None = None
    submitted_at: Instant | None = None
    development_name: Text | None = None
    dwelling_type: Text | None = None
    survey_ponds_key: S3Key | None = Field(
        None, description="the survey's ponds; only with assessment_type gcn"
    )

    @field_validator(
        "s3_bucket",
        "developer_email",
        "submitted_at",
        "survey_ponds_key",
        mode="before",
    )
    @classmethod
    def _blank_is_absent(cls, value: object) -> object:
        return None if value == "" else value

    @model_validator(mode="after")
    def _ponds_are_for_newts(self) -> Self:
        if self.survey_ponds_key is not None and self.assessment_type != "gcn":
            raise ValueError("survey_ponds_key goes with assessment_type gcn only")
        return self

    def payload(self) -> dict[str, JsonValue]:
        """The request as it is stored and hashed; the same for both forms of the message."""
        return self.model_dump(mode="json")


class AssessmentJob(AssessmentRequest):
    """The same request as a message that names its job type."""

    job_type: Literal["impact-assessment"] = Field(alias="jobType", exclude=True)
    job_id: JobId = Field(alias="jobId")


class QuoteGeometry(Payload):
    """A GeoJSON geometry in EPSG:27700 (metres).

    Only its outline is checked here: ``crs`` and coordinates are checked where boundaries are.
    """

    type: Literal["Polygon", "MultiPolygon"]
    coordinates: list[JsonValue]
    crs: dict[str, JsonValue] | None = None


class IntersectingEdp(Payload):
    """An environmental delivery plan that the backend found at the site."""

    label: str | None = None
    n2k_site_name: str | None = None


class QuoteBoundary(Payload):
    """What the backend knows about where the development is."""

    geometry: QuoteGeometry = Field(alias="boundaryGeometryOriginal")
    intersecting_edps: tuple[IntersectingEdp, ...] = Field(alias="intersectingEdps")


class QuoteRequest(Payload):
    """The backend's quote message: the geometry inline, the number of dwellings under two names."""

    reference: QuoteReference
    boundary: QuoteBoundary = Field(alias="boundaryGeojson")
    housing_units: Count | None = Field(None, alias="housingUnits")
    residential_building_count: Count | None = Field(
        None, alias="residentialBuildingCount", description="older name of housingUnits"
    )
    development_types: tuple[Text, ...] | None = Field(None, alias="developmentTypes")
    people_count: Count | None = Field(
        None, alias="peopleCount", description="not used in the calculation"
    )
    works_id: Text | None = Field(
        None,
        alias="wasteWaterTreatmentWorksId",
        description="not used in the calculation",
    )
    trace_id: JsonValue = Field(
        None,
        alias="traceId",
        exclude=True,
        description="correlation id, a string; one that does not fit is replaced",
    )

    @model_validator(mode="after")
    def _one_number_of_dwellings(self) -> Self:
        given = {self.housing_units, self.residential_building_count} - {None}
        if len(given) > 1:
            raise ValueError("housingUnits and residentialBuildingCount contradict each other")
        return self

    @property
    def dwellings(self) -> int | None:
        return self.housing_units or self.residential_building_count

    @property
    def dwelling_category(self) -> str:
        """The first development type; the backend's default is housing."""
        return self.development_types[0] if self.development_types else "housing"

    def payload(self) -> dict[str, JsonValue]:
        """The request as it is stored and hashed: one name for the dwellings, no trace id."""
        payload = self.model_dump(mode="json", by_alias=True)
        del payload["residentialBuildingCount"]
        return payload | {"housingUnits": self.dwellings}


Request = AssessmentRequest | QuoteRequest
_RequestT = TypeVar("_RequestT", bound=Payload)

_MODELS: dict[str, type[AssessmentRequest | QuoteRequest]] = {
    "job": AssessmentJob,
    "assessment": AssessmentRequest,
    "quote": QuoteRequest,
}


def parse_request(envelope: Envelope) -> Request:
    """Validate an impact assessment's payload; raises MessageError ``payload_invalid``."""
    model: type[Request] = _MODELS[envelope.shape]
    return validated(model, envelope.body)


def parse_assessment(body: JsonObject) -> AssessmentRequest:
    """Validate the body of an assessment message; raises MessageError ``payload_invalid``."""
    return validated(AssessmentRequest, body)


def validated(model: type[_RequestT], body: JsonObject) -> _RequestT:
    """``body`` as a ``model``; raises MessageError ``payload_invalid``."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise MessageError("payload_invalid", _sentence(error)) from None


def request_hash(request: Request) -> str:
    """Hash of the validated payload: what has to be equal for the same job."""
    return payload_hash(request.payload(), IMPACT_ASSESSMENT)


def job_key(request: Request) -> str:
    """The key of the request's job: its job id, or a quote's reference and payload hash.

    A quote may be published again, changed, under its reference, and wants a new result then.
    """
    if isinstance(request, QuoteRequest):
        return f"{request.reference}-{request_hash(request)}"
    return request.job_id


def _sentence(error: ValidationError) -> str:
    """Which fields are wrong and how, never with the values, which may be personal.

    It reaches logs, e-mails and terminals, so that a key of the message is only told if it looks
    like a field's name: any other may be as long as the message, and hold whatever it likes.
    """
    items = error.errors(include_input=False, include_context=False, include_url=False)
    problems: list[str] = []
    for item in items[:_MAX_PROBLEMS]:
        field = ".".join(_named(part) for part in item["loc"])
        what = _WORDS.get(item["type"]) or item["msg"].removeprefix("Value error, ")
        problems.append(f"{field}: {what}" if field else what)
    if len(items) > _MAX_PROBLEMS:
        problems.append(f"and {len(items) - _MAX_PROBLEMS} more")
    return "; ".join(problems)[:_MAX_SENTENCE]


def _named(part: str | int) -> str:
    return str(part) if isinstance(part, int) or _FIELD_NAME.fullmatch(part) else "a key"
