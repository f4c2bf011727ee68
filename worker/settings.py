"""The only reader of the environment: frozen models, one a concern, checked together at start.

Names of variables are those of the deployment guide. Secrets are ``SecretStr`` so that printing a
model never shows them. ``load()`` reports every problem at once, one line each.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Literal, Self, TypeVar, cast

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from worker.constants import GcnConstants as GcnConstants
from worker.constants import NutrientConstants as NutrientConstants
from worker.errors import ConfigurationError

IMPACT_ASSESSMENT = "impact-assessment"
REFERENCE_LOAD = "reference.load"
KNOWN_JOB_TYPES = frozenset({IMPACT_ASSESSMENT, REFERENCE_LOAD})

# A message that is given back while its lease still runs would be found busy and cost a receive.
VISIBILITY_MARGIN_S = 5
# AWS hands a message to someone else 12 hours after its receipt, whatever the extensions.
MAX_VISIBILITY_S = 43_200
# Half an hour before that, what is still held is given back in good order.
MAX_HOLD_S = 41_400

CommaSeparated = Annotated[tuple[str, ...], NoDecode]


class _Concern(BaseSettings):
    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, case_sensitive=False
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings)

    @field_validator("*", mode="before")
    @classmethod
    def _split_lists(cls, value: object, info: object) -> object:
        name = getattr(info, "field_name", "")
        if isinstance(value, str) and name and cls.model_fields[name].annotation == tuple[str, ...]:
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value


_ConcernT = TypeVar("_ConcernT", bound=BaseSettings)


class QueueSettings(_Concern):
    """SQS: which queue, how long a poll waits, how long a received message stays ours."""

    sqs_queue_url: str = ""
    sqs_dlq_url: str = ""
    sqs_wait_time_seconds: int = Field(20, ge=0, le=20)
    sqs_visibility_timeout: int = Field(300, ge=1, le=MAX_VISIBILITY_S)
    sqs_max_messages: int = Field(1, ge=1, le=10)
    sqs_max_body_bytes: int = Field(1_048_576, ge=1024, le=1_048_576)


class AwsSettings(_Concern):
    """Region and, for emulators, the endpoint; credentials come from boto3's own chain."""

    aws_region: str = Field(
        "eu-west-2", validation_alias=AliasChoices("aws_region", "aws_default_region")
    )
    aws_endpoint_url: str | None = None
    s3_input_bucket: CommaSeparated = ()
    s3_reference_bucket: CommaSeparated = ()
    s3_max_reference_bytes: int = Field(8 * 1024**3, ge=1)

    @property
    def default_input_bucket(self) -> str:
        return self.s3_input_bucket[0] if self.s3_input_bucket else ""

    @property
    def default_reference_bucket(self) -> str:
        return self.s3_reference_bucket[0] if self.s3_reference_bucket else ""


class WorkerSettings(_Concern):
    """How jobs are claimed, limited and stopped; times in seconds."""

    worker_job_types: CommaSeparated = (IMPACT_ASSESSMENT, REFERENCE_LOAD)
    worker_lease_seconds: float = Field(60, gt=0)
    worker_job_timeout_seconds: float = Field(900, gt=0)
    worker_reference_load_timeout_seconds: float = Field(3600, gt=0)
    worker_graceful_shutdown_timeout: float = Field(30, ge=0)
    worker_max_attempts: int = Field(3, ge=1)
    worker_backoff_base_seconds: float = Field(60, gt=0)
    worker_max_rss_mb: int | None = Field(None, ge=64)
    worker_max_jobs: int | None = Field(None, ge=1)
    worker_configuration_pause_seconds: float = Field(30, gt=0)
    worker_sweep_interval_seconds: float = Field(30, gt=0)
    worker_pending_limit_seconds: float = Field(86_400, gt=0)
    retention_days: int = Field(90, ge=1)

    @property
    def renewal_interval_s(self) -> float:
        """Lease and visibility are renewed this often: a third of the lease."""
        return self.worker_lease_seconds / 3

    def time_limit_s(self, job_type: str) -> float:
        """How long a job of this type may take."""
        if job_type == REFERENCE_LOAD:
            return self.worker_reference_load_timeout_seconds
        return self.worker_job_timeout_seconds


class HealthSettings(_Concern):
    """The health process: its port, and how long a phase may last without progress (seconds)."""

    health_port: int = Field(
        8085, ge=0, le=65_535, validation_alias=AliasChoices("health_port", "api_port")
    )
    health_host: str = "0.0.0.0"  # noqa: S104 - the container's health check and load balancer
    health_poll_margin_seconds: float = Field(70, gt=0)
    health_job_margin_seconds: float = Field(60, gt=0)
    health_delivery_limit_seconds: float = Field(120, gt=0)
    health_idle_limit_seconds: float = Field(80, gt=0)


class DatabaseSettings(_Concern):
    """PostGIS: one URL, or host, name and user with a password or an IAM token."""

    database_url: SecretStr | None = None
    db_host: str = ""
    db_port: int = Field(5432, ge=1, le=65_535)
    db_name: str = ""
    db_user: str = ""
    db_password: SecretStr | None = None
    db_sslmode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = "require"
    db_sslrootcert: str | None = None
    db_iam_authentication: bool = False
    db_connect_timeout_seconds: int = Field(5, ge=1)
    db_statement_timeout_seconds: float = Field(120, gt=0)


class BackendSettings(_Concern):
    """Where results go; one base URL, never one from a message."""

    backend_base_url: str = ""
    backend_api_key: SecretStr | None = None
    backend_patch_schema: Literal["none", "levy-range", "levy-model-v1"] = "none"
    backend_accepts_empty_edps: bool = False
    backend_timeout_seconds: float = Field(30, gt=0)
    backend_retry_wait_seconds: float = Field(1, ge=0)
    tracing_header: str = "x-cdp-request-id"


class NotifySettings(_Concern):
    """GOV.UK Notify: key, templates, who may be written to outside production."""

    govuk_notify_api_key: SecretStr | None = None
    govuk_notify_base_url: str = "https://api.notifications.service.gov.uk"
    govuk_notify_template_job_started: str = ""
    govuk_notify_template_job_completed: str = ""
    govuk_notify_template_job_failed: str = ""
    govuk_notify_support_email: str = ""
    govuk_notify_results_base_url: str = ""
    govuk_notify_allowed_domains: CommaSeparated = ()
    govuk_notify_timeout_seconds: float = Field(30, gt=0)
    report_by_email: bool = False


class RuntimeSettings(_Concern):
    """Stage, version and logging."""

    environment: str = "local"
    service_version: str = "unknown"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"

    @property
    def is_production(self) -> bool:
        return self.environment in {"prod", "production"}


class BoundarySettings(_Concern):
    """Limits on files from users, and on the child process that opens them."""

    boundary_max_bytes: int = Field(100 * 1024 * 1024, ge=1)
    boundary_max_expanded_bytes: int = Field(500 * 1024 * 1024, ge=1)
    boundary_max_entries: int = Field(200, ge=1)
    boundary_max_ratio: int = Field(200, ge=1)
    boundary_max_vertices: int = Field(500_000, ge=4)
    boundary_max_features: int = Field(10_000, ge=1)
    boundary_cpu_seconds: int = Field(60, ge=1)
    boundary_wall_seconds: float = Field(90, gt=0)
    boundary_memory_mb: int = Field(1024, ge=128)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the worker was told, by concern."""

    queue: QueueSettings
    aws: AwsSettings
    worker: WorkerSettings
    health: HealthSettings
    database: DatabaseSettings
    backend: BackendSettings
    notify: NotifySettings
    runtime: RuntimeSettings
    boundary: BoundarySettings
    nutrient: NutrientConstants
    gcn: GcnConstants

    @classmethod
    def load(cls) -> Self:
        """Read the environment; raises ConfigurationError with one line for each bad value.

        Each value is checked on its own; ``problems_for_run`` adds what only the daemon needs.
        """
        read = _Reader()
        settings = cls(
            queue=read(QueueSettings),
            aws=read(AwsSettings),
            worker=read(WorkerSettings),
            health=read(HealthSettings),
            database=read(DatabaseSettings),
            backend=read(BackendSettings),
            notify=read(NotifySettings),
            runtime=read(RuntimeSettings),
            boundary=read(BoundarySettings),
            nutrient=read(NutrientConstants),
            gcn=read(GcnConstants),
        )
        if read.problems:
            raise ConfigurationError(tuple(read.problems))
        return settings

    def problems_for_run(self) -> tuple[str, ...]:
        """What keeps the daemon from starting, one line each; empty if nothing does."""
        return (
            *self._missing(),
            *self._contradictions(),
        )

    def _missing(self) -> tuple[str, ...]:
        required: list[tuple[str, bool]] = [
            ("SQS_QUEUE_URL", bool(self.queue.sqs_queue_url)),
            (
                "DATABASE_URL (or DB_HOST, DB_NAME and DB_USER)",
                self.database.database_url is not None
                or bool(self.database.db_host and self.database.db_name and self.database.db_user),
            ),
        ]
        # Whatever its job types, a worker makes the deliveries that others have left over.
        notify = self.notify
        required += [
            ("BACKEND_BASE_URL", bool(self.backend.backend_base_url)),
            ("BACKEND_API_KEY", self.backend.backend_api_key is not None),
            ("GOVUK_NOTIFY_API_KEY", notify.govuk_notify_api_key is not None),
            ("GOVUK_NOTIFY_TEMPLATE_JOB_FAILED", bool(notify.govuk_notify_template_job_failed)),
            ("GOVUK_NOTIFY_SUPPORT_EMAIL", bool(notify.govuk_notify_support_email)),
            ("GOVUK_NOTIFY_RESULTS_BASE_URL", bool(notify.govuk_notify_results_base_url)),
        ]
        if IMPACT_ASSESSMENT in self.worker.worker_job_types:
            required += [
                ("S3_INPUT_BUCKET", bool(self.aws.s3_input_bucket)),
                (
                    "GOVUK_NOTIFY_TEMPLATE_JOB_COMPLETED",
                    bool(notify.govuk_notify_template_job_completed),
                ),
            ]
        if REFERENCE_LOAD in self.worker.worker_job_types:
            required.append(("S3_REFERENCE_BUCKET", bool(self.aws.s3_reference_bucket)))
        return tuple(f"{name} is required" for name, present in required if not present)

    def _contradictions(self) -> tuple[str, ...]:
        problems: list[str] = []
        lease = self.worker.worker_lease_seconds
        if self.queue.sqs_visibility_timeout < lease + VISIBILITY_MARGIN_S:
            problems.append(
                f"SQS_VISIBILITY_TIMEOUT ({self.queue.sqs_visibility_timeout} s) has to be at least"
                f" {VISIBILITY_MARGIN_S} s longer than WORKER_LEASE_SECONDS ({lease:g} s)"
            )
        unknown = set(self.worker.worker_job_types) - KNOWN_JOB_TYPES
        if unknown:
            problems.append(f"WORKER_JOB_TYPES names unknown types: {', '.join(sorted(unknown))}")
        if not self.worker.worker_job_types:
            problems.append("WORKER_JOB_TYPES is empty: the worker would refuse every message")
        base_url = self.backend.backend_base_url
        if base_url and not base_url.startswith(("http://", "https://")):
            problems.append("BACKEND_BASE_URL has to start with https:// (or http:// locally)")
        if self.runtime.is_production and base_url.startswith("http://"):
            problems.append("BACKEND_BASE_URL has to use https in production")
        if self.database.db_iam_authentication and not self.database.db_host:
            problems.append("DB_IAM_AUTHENTICATION needs DB_HOST, DB_NAME and DB_USER")
        return tuple(problems)

    def describe(self) -> tuple[tuple[str, str], ...]:
        """(variable, value) of every setting in force, secrets masked, in the order of concerns."""
        rows: list[tuple[str, str]] = []
        for field in fields(self):
            concern: BaseSettings = getattr(self, field.name)
            prefix = str(concern.model_config.get("env_prefix", ""))
            rows.extend(
                (f"{prefix}{name}".upper(), _shown(getattr(concern, name)))
                for name in type(concern).model_fields
            )
        return tuple(rows)


class _Reader:
    """Reads one concern after the other and collects what is wrong instead of stopping at it."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def __call__(self, concern: type[_ConcernT]) -> _ConcernT:
        try:
            return concern()
        except ValidationError as error:
            prefix = str(concern.model_config.get("env_prefix", ""))
            for item in error.errors(include_input=False, include_url=False):
                name = f"{prefix}{item['loc'][0]}".upper() if item["loc"] else concern.__name__
                self.problems.append(f"{name}: {item['msg']}")
            return cast(_ConcernT, concern.model_construct())


def _shown(value: object) -> str:
    match value:
        case None | "" | ():
            return "(not set)"
        case SecretStr():
            return "********"
        case tuple():
            return ", ".join(str(part) for part in value)
        case _:
            return str(value)
