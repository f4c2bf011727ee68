"""All settings read together, and checked against each other for the daemon."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self, TypeVar, cast

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings

from worker.constants import GcnConstants, NutrientConstants
from worker.errors import ConfigurationError
from worker.settings.annual_review import AnnualReviewSettings
from worker.settings.concerns import (
    IMPACT_ASSESSMENT,
    KNOWN_JOB_TYPES,
    MAX_VISIBILITY_S,
    REFERENCE_LOAD,
    VISIBILITY_MARGIN_S,
    AwsSettings,
    BackendSettings,
    BoundarySettings,
    DatabaseSettings,
    EcsSettings,
    ExportSettings,
    HealthSettings,
    NotifySettings,
    QueueSettings,
    WorkerSettings,
)
from worker.settings.platform import MetricsSettings, NetworkSettings, RuntimeSettings
from worker.settings.production import plain_text_problems, unencrypted_token_problem

_ConcernT = TypeVar("_ConcernT", bound=BaseSettings)


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
    ecs: EcsSettings
    export: ExportSettings
    annual_review: AnnualReviewSettings
    runtime: RuntimeSettings
    metrics: MetricsSettings
    network: NetworkSettings
    boundary: BoundarySettings
    nutrient: NutrientConstants
    gcn: GcnConstants

    @property
    def metrics_on(self) -> bool:
        """Whether metrics are written; unless it is said, in ECS only."""
        asked = self.metrics.enable_metrics
        return self.runtime.in_ecs if asked is None else asked

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
            ecs=read(EcsSettings),
            export=read(ExportSettings),
            annual_review=read(AnnualReviewSettings),
            runtime=read(RuntimeSettings),
            metrics=read(MetricsSettings),
            network=read(NetworkSettings),
            boundary=read(BoundarySettings),
            nutrient=read(NutrientConstants),
            gcn=read(GcnConstants),
        )
        if read.problems:
            raise ConfigurationError(tuple(read.problems))
        return settings

    def problems_for_run(self, *, with_queue: bool = True) -> tuple[str, ...]:
        """What keeps the daemon from starting, one line each; empty if nothing does.

        A single job runs without a queue.
        """
        no_queue = with_queue and not self.queue.sqs_queue_url
        return (
            *(("SQS_QUEUE_URL is required",) if no_queue else ()),
            *self._missing(),
            *self._contradictions(),
        )

    def _missing(self) -> tuple[str, ...]:
        required: list[tuple[str, bool]] = [
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
        pending_limit = self.worker.worker_pending_limit_seconds
        if pending_limit <= MAX_VISIBILITY_S:
            problems.append(
                f"WORKER_PENDING_LIMIT_SECONDS ({pending_limit:g} s) has to be longer than SQS may"
                f" hide the message of a job that waits for its next try ({MAX_VISIBILITY_S} s)"
            )
        unknown = set(self.worker.worker_job_types) - KNOWN_JOB_TYPES
        if unknown:
            problems.append(f"WORKER_JOB_TYPES names unknown types: {', '.join(sorted(unknown))}")
        if not self.worker.worker_job_types:
            problems.append("WORKER_JOB_TYPES is empty: the worker would refuse every message")
        base_url = self.backend.backend_base_url
        if base_url and not base_url.startswith(("http://", "https://")):
            problems.append("BACKEND_BASE_URL has to start with https:// (or http:// locally)")
        if self.database.db_iam_authentication and not self.database.db_host:
            problems.append("DB_IAM_AUTHENTICATION needs DB_HOST, DB_NAME and DB_USER")
        problems.extend(unencrypted_token_problem(self.database))
        if self.runtime.is_production:
            problems.extend(
                plain_text_problems(self.backend, self.notify, self.aws, self.queue, self.database)
            )
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


def read_concern(concern: type[_ConcernT]) -> _ConcernT:
    """One concern alone, for who needs no other; raises ConfigurationError as ``Settings.load``."""
    read = _Reader()
    settings = read(concern)
    if read.problems:
        raise ConfigurationError(tuple(read.problems))
    return settings


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
