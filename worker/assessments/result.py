"""What the results of all assessments have in common."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from worker.reference.versions import ReferenceVersions


class Fact(BaseModel):
    """A part of a result: frozen, with no field that nobody named."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PinnedVersion(Fact):
    """Which version of a reference layer the numbers rest on."""

    version: int
    label: str
    source_sha256: str


def pinned_versions(versions: ReferenceVersions, layers: Iterable[str]) -> dict[str, PinnedVersion]:
    """Those of ``layers`` that are pinned, as a result states them."""
    return {
        layer: PinnedVersion(
            version=pinned.version, label=pinned.label, source_sha256=pinned.source_sha256
        )
        for layer in layers
        if (pinned := versions.layers.get(layer))
    }
