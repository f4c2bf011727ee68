"""What must hold before loaded data becomes active, and what only deserves a warning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import psycopg
from psycopg import sql

from worker.clients.db import Connection
from worker.errors import ReferenceDataError
from worker.reference.layers import BRITISH_NATIONAL_GRID, GRID_EXTENT, Layer
from worker.reference.readers import SourceTable
from worker.reference.staging import ReadRows, StagedTables
from worker.reference.values import ColumnReader, Tally
from worker.reference.works_lookup import WorksNotes
from worker.sqlfiles import statement

# The share of the active version's rows that a new version has to have.
ROW_COUNT_FLOOR = 0.9


class Severity(StrEnum):
    """An error refuses the whole load; a warning and a note are in its report."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found in a layer: how often, with the first few places.

    ``forceable``: a version with this error can be used all the same, if somebody says why.
    """

    severity: Severity
    layer: str
    code: str
    sentence: str
    count: int = 1
    samples: tuple[str, ...] = ()
    forceable: bool = False

    @classmethod
    def of(
        cls,
        severity: Severity,
        layer: str,
        code: str,
        tally: Tally,
        sentence: str,
        *,
        forceable: bool = False,
    ) -> Finding:
        """A finding for what ``tally`` counted."""
        samples = tuple(tally.samples)
        return cls(severity, layer, code, sentence, tally.count, samples, forceable)

    def __str__(self) -> str:
        places = f" ({'; '.join(self.samples)}{'; …' if self.count > len(self.samples) else ''})"
        return f"{self.layer}: {self.sentence}{places if self.samples else ''}"


class ReferenceChecksFailed(ReferenceDataError):
    """The data was not made active; ``findings`` are all the reasons, warnings included."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        errors = [finding for finding in findings if finding.severity is Severity.ERROR]
        hint = (
            " A load that is forced, with a reason, ignores them."
            if all(finding.forceable for finding in errors)
            else ""
        )
        super().__init__(
            "reference_checks_failed",
            f"The reference data has {len(errors)} error(s); the active data is unchanged.{hint}",
            detail="\n".join(map(str, errors)),
        )
        self.findings = tuple(findings)


def refused(findings: Iterable[Finding], *, forced: bool) -> bool:
    """Whether one of ``findings`` is an error that is not overridden."""
    return any(
        finding.severity is Severity.ERROR and not (forced and finding.forceable)
        for finding in findings
    )


def refuse_errors(findings: Sequence[Finding], *, forced: bool) -> None:
    """Raise ReferenceChecksFailed if one of ``findings`` is an error that is not overridden."""
    if refused(findings, forced=forced):
        raise ReferenceChecksFailed(findings)


def source_findings(layer: Layer, table: SourceTable) -> list[Finding]:
    """What can be told before a row is read: columns, CRS, and whether there are rows."""
    findings = []
    missing = [
        column.name
        for column in layer.columns
        if not column.optional and column.found_in(table.columns) is None
    ]
    if missing:
        findings.append(
            Finding(
                Severity.ERROR,
                layer.name,
                "columns_missing",
                f"the source has no column for {', '.join(missing)}; "
                f"it has {', '.join(table.columns) or 'none'}",
            )
        )
    if layer.spatial and table.epsg != BRITISH_NATIONAL_GRID:
        crs = "no EPSG code" if table.epsg is None else f"EPSG:{table.epsg}"
        findings.append(
            Finding(
                Severity.ERROR,
                layer.name,
                "crs_wrong",
                f"the coordinates must be in EPSG:{BRITISH_NATIONAL_GRID}, the source has {crs}",
            )
        )
    if table.row_count == 0:
        findings.append(Finding(Severity.ERROR, layer.name, "empty", "the source has no rows"))
    return findings


def read_findings(layer: Layer, read: ReadRows) -> list[Finding]:
    """What reading the source brought up, before anything is built from the rows."""
    findings = _missing_geometry(layer, read.without_geometry)
    findings += _value_findings(layer, read.readers)
    if read.works is not None:
        findings += _works_findings(layer, read.works)
    return findings


def row_count_findings(layer: Layer, row_count: int, active_row_count: int) -> list[Finding]:
    """Whether so many rows are gone since the active version that a part must be missing."""
    if row_count >= ROW_COUNT_FLOOR * active_row_count:
        return []
    return [
        Finding(
            Severity.ERROR,
            layer.name,
            "row_count_low",
            f"{row_count} rows are less than {ROW_COUNT_FLOOR:.0%} of the {active_row_count} rows"
            " of the active version",
            forceable=True,
        )
    ]


def unreadable_geometry(layer: Layer, error: psycopg.Error) -> Finding:
    """The finding for WKB that PostGIS refuses."""
    reason = str(error).partition("\n")[0]
    return Finding(
        Severity.ERROR, layer.name, "geometry_unreadable", f"a geometry can't be read: {reason}"
    )


def _value_findings(layer: Layer, readers: Iterable[ColumnReader]) -> list[Finding]:
    """What the columns' readers met: unparsable, missing and out of range values."""
    findings = []
    for reader in readers:
        name = reader.column.name
        if reader.unparsable.count:
            findings.append(
                Finding.of(
                    Severity.WARNING,
                    layer.name,
                    "value_unparsable",
                    reader.unparsable,
                    f"{reader.unparsable.count} value(s) of {name} are not of type "
                    f"{reader.column.type} and were loaded as NULL",
                )
            )
        if reader.missing.count:
            severity = Severity.ERROR if reader.column.required else Severity.NOTE
            findings.append(
                Finding.of(
                    severity,
                    layer.name,
                    "value_missing",
                    reader.missing,
                    f"{reader.missing.count} row(s) have no {name}",
                )
            )
        if reader.outside.count:
            findings.append(
                Finding.of(
                    Severity.ERROR,
                    layer.name,
                    "value_out_of_range",
                    reader.outside,
                    f"{reader.outside.count} value(s) of {name} are not {_range(reader)}",
                    # The database holds columns with a list of allowed values to it.
                    forceable=not reader.column.allowed,
                )
            )
    return findings


def _works_findings(layer: Layer, notes: WorksNotes) -> list[Finding]:
    """What the rules of the works table did."""
    told = (
        (Severity.NOTE, "works_without_code", notes.without_code, "row(s) without a code skipped"),
        (Severity.NOTE, "works_several_codes", notes.several_codes, "row(s) name several works"),
        (
            Severity.WARNING,
            "works_doubtful_code",
            notes.doubtful_codes,
            "code(s) with a question mark, read without it",
        ),
        (
            Severity.NOTE,
            "works_duplicate_code",
            notes.duplicates,
            "row(s) repeat an earlier code; the first row counts",
        ),
        (
            Severity.WARNING,
            "works_conflicting_permits",
            notes.conflicts,
            "repeated code(s) with other permits than the first row, which counts",
        ),
    )
    return [
        Finding.of(severity, layer.name, code, tally, f"{tally.count} {sentence}")
        for severity, code, tally, sentence in told
        if tally.count
    ]


def _missing_geometry(layer: Layer, tally: Tally) -> list[Finding]:
    """Features without a geometry are an error: an area would be lost without a trace."""
    if not tally.count:
        return []
    sentence = f"{tally.count} feature(s) have no geometry"
    return [Finding.of(Severity.ERROR, layer.name, "geometry_missing", tally, sentence)]


def stored_findings(connection: Connection, layer: Layer, table: str) -> list[Finding]:
    """What the database says of the staged rows in ``table``: geometries and unique keys."""
    findings = []
    if layer.spatial:
        findings += _geometry_findings(connection, layer, table)
    if layer.key:
        findings += _key_findings(connection, layer, table)
    return findings


def parts_findings(connection: Connection, tables: StagedTables) -> list[Finding]:
    """Whether the pieces of each feature add up to the feature."""
    query = sql.SQL(statement(__package__, "check_parts").decode()).format(
        table=sql.Identifier("reference", tables.features),
        parts=sql.Identifier("reference", tables.parts),
    )
    tally = Tally()
    for feature, area_m2, parts_m2 in connection.execute(query):
        tally.add(f"feature {feature}: {area_m2:.3f} m² in {parts_m2:.3f} m² of pieces")
    if not tally.count:
        return []
    sentence = f"{tally.count} feature(s) lost area when they were subdivided"
    return [Finding.of(Severity.ERROR, tables.layer.name, "parts_differ", tally, sentence)]


_GEOMETRY_PROBLEMS = {
    "empty": "are empty",
    "not_polygonal": "are not polygons",
    "outside": "lie outside the extent of the British National Grid",
    "invalid": "are not valid polygons",
}


def _geometry_findings(connection: Connection, layer: Layer, table: str) -> list[Finding]:
    identifier = sql.Identifier("reference", table)
    query = sql.SQL(statement(__package__, "check_geometries").decode()).format(table=identifier)
    west, south, east, north = GRID_EXTENT
    extent = {"west": west, "south": south, "east": east, "north": north}
    findings = []
    for problem, count, first, reason in connection.execute(query, extent).fetchall():
        sample = f"feature {first}" + (f": {reason}" if problem == "invalid" else "")
        findings.append(
            Finding(
                Severity.ERROR,
                layer.name,
                f"geometry_{problem}",
                f"{count} geometries {_GEOMETRY_PROBLEMS[problem]}",
                count,
                (sample,),
            )
        )
    return findings


def _key_findings(connection: Connection, layer: Layer, table: str) -> list[Finding]:
    columns = sql.SQL(", ").join(sql.Identifier(column) for column in layer.key)
    query = sql.SQL(statement(__package__, "check_key").decode()).format(
        table=sql.Identifier("reference", table), key=columns
    )
    tally = Tally()
    for count, *key in connection.execute(query):
        tally.add(f"{', '.join(map(str, key))}: {count} rows")
    if not tally.count:
        return []
    sentence = f"{tally.count} value(s) of {', '.join(layer.key)} are there more than once"
    return [Finding.of(Severity.ERROR, layer.name, "key_repeated", tally, sentence)]


def _range(reader: ColumnReader) -> str:
    column = reader.column
    if column.allowed:
        return f"one of {', '.join(column.allowed)}"
    if column.maximum is None:
        return f"{column.minimum:g} or more"
    return f"between {column.minimum:g} and {column.maximum:g}"
