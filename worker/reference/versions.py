"""Which version of each reference layer is active, and the versions a job has pinned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.errors import ReferenceDataMissing
from worker.sqlfiles import statement

if TYPE_CHECKING:
    from worker.clients.db import Connection


@dataclass(frozen=True, slots=True)
class LayerVersion:
    """One loaded version of a layer, as it is recorded in results."""

    layer: str
    version: int
    label: str
    source_sha256: str


@dataclass(frozen=True, slots=True)
class ReferenceVersions:
    """The versions that one job uses from its claim to its end, by layer name."""

    layers: Mapping[str, LayerVersion]

    def of(self, layer: str) -> int:
        """Version number of ``layer``; KeyError if it was not pinned."""
        return self.layers[layer].version

    def pinned(self, required: Iterable[str], optional: Iterable[str] = ()) -> ReferenceVersions:
        """Exactly the ``required`` layers, and those of ``optional`` that there are.

        Raises ReferenceDataMissing ``reference_data_missing`` naming the layers that are absent.
        """
        required = tuple(required)
        absent = [layer for layer in required if layer not in self.layers]
        if absent:
            raise ReferenceDataMissing(
                "reference_data_missing",
                f"Reference data is not loaded: {', '.join(absent)}."
                " Run 'worker reference load DIR'.",
            )
        wanted = [*required, *(layer for layer in optional if layer in self.layers)]
        return ReferenceVersions({layer: self.layers[layer] for layer in wanted})

    def require_one_of(self, sets: Iterable[Sequence[str]]) -> None:
        """Raise what ``pinned`` raises for the first of ``sets`` unless one of them is whole."""
        missing: list[ReferenceDataMissing] = []
        for layers in sets:
            try:
                self.pinned(layers)
                return
            except ReferenceDataMissing as error:
                missing.append(error)
        if missing:
            raise missing[0]


def active_versions(connection: Connection) -> ReferenceVersions:
    """The active version of every layer that has one; one query on two small tables."""
    rows = connection.execute(statement(__package__, "active_versions")).fetchall()
    return ReferenceVersions({row[0]: LayerVersion(*row) for row in rows})


def pin_versions(connection: Connection, layers: Iterable[str]) -> ReferenceVersions:
    """The active versions of exactly ``layers``, for a job to keep until its end.

    Raises ReferenceDataMissing ``reference_data_missing`` naming the layers without one.
    """
    return active_versions(connection).pinned(layers)
