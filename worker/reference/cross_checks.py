"""What layers say of each other: names and codes of one that another has to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import sql

from worker.clients.db import Connection
from worker.reference.checks import Finding, Severity
from worker.reference.values import SAMPLES
from worker.sqlfiles import statement


@dataclass(frozen=True, slots=True)
class VersionTable:
    """Where the rows of one version are: a table of ``reference``, and the version's number."""

    table: str
    version: int


@dataclass(frozen=True, slots=True)
class _Link:
    """Values of ``column`` that have to be among those of another layer's column."""

    layer: str
    column: str
    other: str
    other_column: str
    severity: Severity
    code: str
    sentence: str


_LINKS = (
    _Link(
        "nn_catchments",
        "n2k_site_name",
        "rates_lookup",
        "nn_catchment",
        Severity.ERROR,
        "rates_missing",
        "site name(s) have no row in rates_lookup, so sites there can't be assessed",
    ),
    _Link(
        "wwtw_catchments",
        "wwtw_id",
        "wwtw_lookup",
        "wwtw_code",
        Severity.WARNING,
        "works_missing",
        "works have no row in wwtw_lookup, so sites there get no wastewater load and no total",
    ),
    _Link(
        "wwtw_lookup",
        "subcatchment",
        "subcatchments",
        "opcat_name",
        Severity.WARNING,
        "subcatchment_missing",
        "subcatchment(s) of works are not in subcatchments, so no rates are found through them",
    ),
)


def cross_findings(connection: Connection, tables: Mapping[str, VersionTable]) -> list[Finding]:
    """What does not fit together, given the table of each layer as it will be after a switch.

    A link is checked if both of its layers are there.
    """
    findings = []
    for link in _LINKS:
        if link.layer not in tables or link.other not in tables:
            continue
        values = _unmatched(connection, link, tables[link.layer], tables[link.other])
        if values:
            findings.append(
                Finding(
                    link.severity,
                    link.layer,
                    link.code,
                    f"{len(values)} {link.sentence}",
                    len(values),
                    values[:SAMPLES],
                    forceable=True,
                )
            )
    return findings


def _unmatched(
    connection: Connection, link: _Link, own: VersionTable, other: VersionTable
) -> tuple[str, ...]:
    query = sql.SQL(statement(__package__, "unmatched_values").decode()).format(
        table=sql.Identifier("reference", own.table),
        column=sql.Identifier(link.column),
        other=sql.Identifier("reference", other.table),
        other_column=sql.Identifier(link.other_column),
    )
    versions = {"version": own.version, "other_version": other.version}
    return tuple(str(row[0]) for row in connection.execute(query, versions))
