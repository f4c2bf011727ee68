"""What a load did, for the command line, the log and the record of each version."""

from __future__ import annotations

from dataclasses import dataclass

from worker.reference.checks import Finding, Severity


@dataclass(frozen=True, slots=True)
class LoadedLayer:
    """One layer that a load made active."""

    layer: str
    version: int
    source_name: str
    source_sha256: str
    row_count: int
    seconds: float
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a load did.

    ``kept``: layers without a source, whose active version stays.
    ``absent``: layers without a source and without an active version. ``findings``: of layers
    against each other.
    """

    label: str
    layers: tuple[LoadedLayer, ...]
    kept: tuple[str, ...]
    absent: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Warnings of every layer, and of layers against each other."""
        return self._of(Severity.WARNING)

    @property
    def overridden(self) -> tuple[Finding, ...]:
        """Errors in spite of which the load was forced."""
        return self._of(Severity.ERROR)

    @property
    def layer_findings(self) -> tuple[Finding, ...]:
        """What was found in each layer on its own."""
        return tuple(finding for layer in self.layers for finding in layer.findings)

    def _of(self, severity: Severity) -> tuple[Finding, ...]:
        everything = (*self.layer_findings, *self.findings)
        return tuple(one for one in everything if one.severity is severity)
