"""What the platform prescribes for every service: stage, logs, metrics, proxies, certificates."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr

from worker.settings.base import CommaSeparated, Concern

_TRUSTSTORE_PREFIX = "TRUSTSTORE_"


class RuntimeSettings(Concern):
    """Stage, version and logging; ECS sets the metadata address in every container."""

    environment: Literal[
        "local", "infra-dev", "management", "dev", "test", "perf-test", "ext-test", "prod"
    ] = "local"
    service_version: str = Field(
        "unknown", validation_alias=AliasChoices("service_version", "git_hash")
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"
    ecs_container_metadata_uri: str = Field(
        "",
        validation_alias=AliasChoices(
            "ecs_container_metadata_uri", "ecs_container_metadata_uri_v4"
        ),
    )

    @property
    def is_production(self) -> bool:
        return self.environment == "prod"

    @property
    def in_ecs(self) -> bool:
        """Whether this is a container of ECS: lines are JSON there, and metrics are on."""
        return bool(self.ecs_container_metadata_uri)


class MetricsSettings(Concern):
    """CloudWatch embedded metrics; ``enable_metrics`` unset means: in ECS, but nowhere else."""

    enable_metrics: bool | None = None
    aws_emf_namespace: str = "NRFImpactAssessmentWorker"
    aws_emf_service_name: str = "nrf-impact-assessment-worker"


class NetworkSettings(Concern):
    """The way out: HTTPS goes through HTTP_PROXY too unless it has a proxy of its own."""

    http_proxy: SecretStr | None = None
    https_proxy: SecretStr | None = None
    no_proxy: CommaSeparated = ()


def truststore() -> tuple[tuple[str, str], ...]:
    """(variable, value) of each TRUSTSTORE_* that is set: extra certificates, base64 of PEM."""
    return tuple(
        (name, value)
        for name, value in sorted(os.environ.items())
        if name.startswith(_TRUSTSTORE_PREFIX) and value
    )
