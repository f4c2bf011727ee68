"""The lookup tables of the nutrient method, as they are read for one pinned version."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import Connection, sql

from worker.assessments.nutrient_rules import Permit
from worker.assessments.overlay import Catchment, Share, largest
from worker.errors import ReferenceDataMissing
from worker.sqlfiles import statement

_PACKAGE = "worker.assessments"


@dataclass(frozen=True, slots=True)
class Works:
    """A row of the treatment works lookup."""

    name: str
    subcatchment: str | None
    nitrogen: Permit
    phosphorus: Permit


@dataclass(frozen=True, slots=True)
class Rates:
    """Persons per dwelling, and litres per person and day."""

    occupancy: float
    water_usage_l_person_day: float


def tidy(text: str) -> str:
    """A name with its white space normalised: sources pad names and use tabs."""
    return " ".join(text.split())


def read_works(connection: Connection, version: int) -> dict[int, Works]:
    """Treatment works by code; raises ReferenceDataMissing ``reference_layer_empty``."""
    rows = connection.execute(statement(_PACKAGE, "works"), {"version": version}).fetchall()
    if not rows:
        raise empty("wwtw_lookup")
    return {
        code: Works(
            name=tidy(name or ""),
            subcatchment=tidy(subcatchment or "") or None,
            nitrogen=Permit(n_until_2030, n_from_2030),
            phosphorus=Permit(p_until_2030, p_from_2030),
        )
        for code, name, subcatchment, n_until_2030, n_from_2030, p_until_2030, p_from_2030 in rows
    }


def read_rates(connection: Connection, version: int) -> dict[str, Rates]:
    """Rates by name of the catchment; raises ReferenceDataMissing ``reference_layer_empty``."""
    rows = connection.execute(statement(_PACKAGE, "rates"), {"version": version}).fetchall()
    if not rows:
        raise empty("rates_lookup")
    rates: dict[str, Rates] = {}
    for name, occupancy, water_usage in rows:
        rates.setdefault(tidy(name), Rates(occupancy, water_usage))
    return rates


def read_catchment_of_subcatchment(
    connection: Connection, subcatchments: int, nn_catchments: int, name: str
) -> Catchment | None:
    """The catchment name that overlaps a subcatchment most, with its lowest OID there.

    ``subcatchments`` and ``nn_catchments`` are the versions of these layers.
    """
    rows = connection.execute(
        statement(_PACKAGE, "catchments_of_subcatchment"),
        {"subcatchments": subcatchments, "nn_catchments": nn_catchments, "name": name},
    ).fetchall()
    oid_of = {catchment: oid for catchment, oid, _ in rows}
    chosen = largest([Share(catchment, area) for catchment, _, area in rows if area > 0])
    return None if chosen is None else Catchment(oid_of[chosen], chosen)


def require_rows(connection: Connection, table: str, version: int) -> None:
    """Raise ReferenceDataMissing ``reference_layer_empty`` if there is no row at all."""
    query = sql.SQL(statement(_PACKAGE, "has_rows").decode()).format(
        layer=sql.Identifier("reference", table)
    )
    row = connection.execute(query, {"version": version}).fetchone()
    if row is None or not row[0]:
        raise empty(table)


def empty(table: str) -> ReferenceDataMissing:
    """The error for a version without rows, which would pass for "nothing is here"."""
    return ReferenceDataMissing(
        "reference_layer_empty",
        f"The reference layer {table} has no rows in the version in use.",
    )
