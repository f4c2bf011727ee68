"""One stage of the service: its name, its configuration, and what its resources are called."""

from __future__ import annotations

from dataclasses import dataclass

from infra.config.models import StageConfig


@dataclass(frozen=True, slots=True)
class Stage:
    """``name`` is that of the configuration file, and part of every resource's name."""

    name: str
    config: StageConfig

    def called(self, what: str) -> str:
        """The name of a resource: project, stage, and what it is."""
        return f"{self.config.project}-{self.name}-{what}"

    @property
    def metrics_service(self) -> str:
        """The dimension ServiceName of the metrics, so that stages may share an account."""
        return self.called("worker")
