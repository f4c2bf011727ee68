"""The settings by concern; names of variables are those of the deployment guide."""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, Field, SecretStr

from worker.settings.base import CommaSeparated, Concern

IMPACT_ASSESSMENT = "impact-assessment"
REFERENCE_LOAD = "reference.load"
WATER_EXPORT = "water.export"
WATER_LICENCE_UPDATES = "water.licence-updates"
WATER_TIME_LIMITED = "water.time-limited"
ANNUAL_REVIEW_BATCH = "lists.annual-review.batch"
ANNUAL_REVIEW_WORKER = "lists.annual-review.worker"
# In the order in which they are shown; WORKER_JOB_TYPES is all of them unless it is set.
ALL_JOB_TYPES = (
    IMPACT_ASSESSMENT,
    REFERENCE_LOAD,
    WATER_EXPORT,
    WATER_LICENCE_UPDATES,
    WATER_TIME_LIMITED,
    ANNUAL_REVIEW_BATCH,
    ANNUAL_REVIEW_WORKER,
)
KNOWN_JOB_TYPES = frozenset(ALL_JOB_TYPES)

Domain = Literal["water", "lists"]
DOMAINS: tuple[Domain, ...] = ("water", "lists")

# A message that is given back while its lease still runs would be found busy and cost a receive.
VISIBILITY_MARGIN_S = 5
# AWS hands a message to someone else 12 hours after its receipt, whatever the extensions.
MAX_VISIBILITY_S = 43_200
# Half an hour before that, what is still held is given back in good order.
MAX_HOLD_S = 41_400
# Longer than all tries of one delivery take together; a crash leaves it claimed for this long.
DELIVERY_CLAIM_S = 130.0
# So that it is longer: for an e-mail Notify is asked twice, and each time may be so long in reach
# and so long again in answering. The backend's last try begins after 70 s at the latest.
MAX_DELIVERY_TIMEOUT_S = DELIVERY_CLAIM_S / 4


class QueueSettings(Concern):
    """SQS: which queue, how long a poll waits, how long a received message stays ours."""

    sqs_queue_url: str = ""
    sqs_dlq_url: str = ""
    sqs_wait_time_seconds: int = Field(20, ge=0, le=20)
    sqs_visibility_timeout: int = Field(300, ge=1, le=MAX_VISIBILITY_S)
    sqs_max_messages: int = Field(1, ge=1, le=10)
    sqs_max_body_bytes: int = Field(1_048_576, ge=1024, le=1_048_576)


class AwsSettings(Concern):
    """Region and, for emulators, the endpoint; credentials come from boto3's own chain."""

    aws_region: str = Field(
        "eu-west-2", validation_alias=AliasChoices("aws_region", "aws_default_region")
    )
    aws_endpoint_url: str | None = None
    aws_endpoint_url_s3: str | None = None
    aws_endpoint_url_sqs: str | None = None
    s3_input_bucket: CommaSeparated = ()
    s3_reference_bucket: CommaSeparated = ()
    s3_max_reference_bytes: int = Field(8 * 1024**3, ge=1)
    s3_output_bucket: str = ""
    # S3 takes no smaller part but for the last one, and 10,000 of them.
    s3_upload_part_bytes: int = Field(8 * 1024**2, ge=5 * 1024**2, le=1024**3)

    @property
    def default_input_bucket(self) -> str:
        return self.s3_input_bucket[0] if self.s3_input_bucket else ""

    @property
    def default_reference_bucket(self) -> str:
        return self.s3_reference_bucket[0] if self.s3_reference_bucket else ""


class WorkerSettings(Concern):
    """How jobs are claimed, limited and stopped; times in seconds."""

    worker_job_types: CommaSeparated = ALL_JOB_TYPES
    worker_lease_seconds: float = Field(60, gt=0)
    worker_job_timeout_seconds: float = Field(900, gt=0)
    worker_reference_load_timeout_seconds: float = Field(3600, gt=0)
    worker_export_timeout_seconds: float = Field(10_800, gt=0)
    worker_annual_review_timeout_seconds: float = Field(3600, gt=0)
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
        own_limits = {
            REFERENCE_LOAD: self.worker_reference_load_timeout_seconds,
            WATER_EXPORT: self.worker_export_timeout_seconds,
            ANNUAL_REVIEW_BATCH: self.worker_annual_review_timeout_seconds,
            ANNUAL_REVIEW_WORKER: self.worker_annual_review_timeout_seconds,
        }
        return own_limits.get(job_type, self.worker_job_timeout_seconds)


class HealthSettings(Concern):
    """The health process: its port, and how long a phase may last without progress (seconds)."""

    health_port: int = Field(
        8085, ge=0, le=65_535, validation_alias=AliasChoices("health_port", "api_port")
    )
    health_host: str = "0.0.0.0"  # noqa: S104 - the container's health check and load balancer
    health_poll_margin_seconds: float = Field(70, gt=0)
    health_job_margin_seconds: float = Field(60, gt=0)
    health_delivery_limit_seconds: float = Field(120, gt=0)
    health_idle_limit_seconds: float = Field(80, gt=0)


class DatabaseSettings(Concern):
    """PostGIS: one URL, or host, name and user with a password or an IAM token.

    The tables of a domain may be elsewhere: its own URL then says where.
    """

    database_url: SecretStr | None = None
    water_database_url: SecretStr | None = None
    lists_database_url: SecretStr | None = None
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

    def of(self, domain: Domain) -> DatabaseSettings:
        """The settings of the database with this domain's tables; by default it is ours."""
        url = self.water_database_url if domain == "water" else self.lists_database_url
        if url is None:
            return self
        return self.model_copy(update={"database_url": url, "db_iam_authentication": False})


class BackendSettings(Concern):
    """Where results go; one base URL, never one from a message."""

    backend_base_url: str = ""
    backend_api_key: SecretStr | None = None
    backend_patch_schema: Literal["none", "levy-range", "levy-model-v1"] = "none"
    backend_accepts_empty_edps: bool = False
    backend_timeout_seconds: float = Field(30, gt=0, le=MAX_DELIVERY_TIMEOUT_S)
    backend_retry_wait_seconds: float = Field(1, ge=0)
    tracing_header: str = "x-cdp-request-id"


class NotifySettings(Concern):
    """GOV.UK Notify: key, templates, who may be written to outside production."""

    govuk_notify_api_key: SecretStr | None = None
    govuk_notify_base_url: str = "https://api.notifications.service.gov.uk"
    govuk_notify_template_job_started: str = ""
    govuk_notify_template_job_completed: str = ""
    govuk_notify_template_job_failed: str = ""
    govuk_notify_support_email: str = ""
    govuk_notify_results_base_url: str = ""
    govuk_notify_allowed_domains: CommaSeparated = ()
    govuk_notify_timeout_seconds: float = Field(30, gt=0, le=MAX_DELIVERY_TIMEOUT_S)
    report_by_email: bool = False


class EcsSettings(Concern):
    """Where the agent of ECS answers; ECS itself sets both in every container."""

    ecs_agent_uri: str = ""
    ecs_container_metadata_uri_v4: str = ""


class BoundarySettings(Concern):
    """Limits on files from users, and on the child process that opens them."""

    boundary_max_bytes: int = Field(100 * 1024 * 1024, ge=1)
    boundary_max_expanded_bytes: int = Field(500 * 1024 * 1024, ge=1)
    boundary_max_entries: int = Field(200, ge=1)
    boundary_max_ratio: int = Field(200, ge=1)
    boundary_max_vertices: int = Field(500_000, ge=4)
    boundary_max_features: int = Field(10_000, ge=1)
    # Two thirds of Greater London.
    boundary_max_area_ha: float = Field(100_000, gt=0)
    boundary_cpu_seconds: int = Field(60, ge=1)
    boundary_wall_seconds: float = Field(90, gt=0)
    boundary_memory_mb: int = Field(1024, ge=128)


class ExportSettings(Concern):
    """The water export: which schemas it may read, and what readers of its files expect."""

    water_export_schemas: CommaSeparated = ("water", "returns", "crm", "crm_v2", "idm", "permit")
    water_export_key_prefix: str = Field("export/", pattern=r"^([A-Za-z0-9_.-]+/)+$")
    water_export_member_prefix: str = Field("", pattern=r"^([A-Za-z0-9_-]+/)*$")
    water_export_legacy_midnight: bool = False
    water_export_legacy_empty: bool = False
