"""The only reader of the environment: frozen models, one a concern, checked together at start.

Secrets are ``SecretStr`` so that printing a model never shows them. ``Settings.load()`` reports
every problem at once, one line each.
"""

from worker.constants import GcnConstants, NutrientConstants
from worker.settings.concerns import (
    IMPACT_ASSESSMENT,
    KNOWN_JOB_TYPES,
    MAX_HOLD_S,
    MAX_VISIBILITY_S,
    REFERENCE_LOAD,
    VISIBILITY_MARGIN_S,
    AwsSettings,
    BackendSettings,
    BoundarySettings,
    DatabaseSettings,
    EcsSettings,
    HealthSettings,
    NotifySettings,
    QueueSettings,
    RuntimeSettings,
    WorkerSettings,
)
from worker.settings.loading import Settings

__all__ = [
    "IMPACT_ASSESSMENT",
    "KNOWN_JOB_TYPES",
    "MAX_HOLD_S",
    "MAX_VISIBILITY_S",
    "REFERENCE_LOAD",
    "VISIBILITY_MARGIN_S",
    "AwsSettings",
    "BackendSettings",
    "BoundarySettings",
    "DatabaseSettings",
    "GcnConstants",
    "EcsSettings",
    "HealthSettings",
    "NotifySettings",
    "NutrientConstants",
    "QueueSettings",
    "RuntimeSettings",
    "Settings",
    "WorkerSettings",
]
