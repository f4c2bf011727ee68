"""The only reader of the environment: frozen models, one a concern, checked together at start.

Secrets are ``SecretStr`` so that printing a model never shows them. ``Settings.load()`` reports
every problem at once, one line each.
"""

from worker.constants import GcnConstants, NutrientConstants
from worker.settings.annual_review import AnnualReviewSettings
from worker.settings.concerns import (
    ALL_JOB_TYPES,
    ANNUAL_REVIEW_BATCH,
    ANNUAL_REVIEW_WORKER,
    DELIVERY_CLAIM_S,
    DOMAINS,
    IMPACT_ASSESSMENT,
    KNOWN_JOB_TYPES,
    MAX_DELIVERY_TIMEOUT_S,
    MAX_HOLD_S,
    MAX_VISIBILITY_S,
    REFERENCE_LOAD,
    VISIBILITY_MARGIN_S,
    WATER_EXPORT,
    WATER_LICENCE_UPDATES,
    WATER_TIME_LIMITED,
    AwsSettings,
    BackendSettings,
    BoundarySettings,
    DatabaseSettings,
    Domain,
    EcsSettings,
    ExportSettings,
    HealthSettings,
    NotifySettings,
    QueueSettings,
    WorkerSettings,
)
from worker.settings.loading import Settings, read_concern
from worker.settings.platform import (
    MetricsSettings,
    NetworkSettings,
    RuntimeSettings,
    truststore,
)

__all__ = [
    "ALL_JOB_TYPES",
    "ANNUAL_REVIEW_BATCH",
    "ANNUAL_REVIEW_WORKER",
    "DELIVERY_CLAIM_S",
    "DOMAINS",
    "IMPACT_ASSESSMENT",
    "KNOWN_JOB_TYPES",
    "MAX_DELIVERY_TIMEOUT_S",
    "MAX_HOLD_S",
    "MAX_VISIBILITY_S",
    "REFERENCE_LOAD",
    "VISIBILITY_MARGIN_S",
    "WATER_EXPORT",
    "WATER_LICENCE_UPDATES",
    "WATER_TIME_LIMITED",
    "AnnualReviewSettings",
    "AwsSettings",
    "BackendSettings",
    "BoundarySettings",
    "DatabaseSettings",
    "Domain",
    "EcsSettings",
    "ExportSettings",
    "GcnConstants",
    "HealthSettings",
    "MetricsSettings",
    "NetworkSettings",
    "NotifySettings",
    "NutrientConstants",
    "QueueSettings",
    "RuntimeSettings",
    "Settings",
    "WorkerSettings",
    "read_concern",
    "truststore",
]
