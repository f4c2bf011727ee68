"""Which data a result rests on, for every report."""

from __future__ import annotations

from collections.abc import Mapping

from worker.assessments.result import PinnedVersion
from worker.reports.document import Column, Section, Table
from worker.reports.figures import printable

_SHA_CHARACTERS = 12


def versions_section(versions: Mapping[str, PinnedVersion]) -> Section:
    """The version of each reference layer."""
    return Section("Data versions", (_table(versions),))


def _table(versions: Mapping[str, PinnedVersion]) -> Table:
    rows = tuple(
        (layer, str(one.version), printable(one.label), one.source_sha256[:_SHA_CHARACTERS])
        for layer, one in versions.items()
    )
    columns = (
        Column("Layer", width=1.6),
        Column("Version", numeric=True, width=0.7),
        Column("Label", width=1.6),
        Column("SHA-256 of the source begins", width=1.4),
    )
    return Table("Reference data", columns, rows)
