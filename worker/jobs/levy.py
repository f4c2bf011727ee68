"""The levy of a site, only ever from rates that were loaded as reference data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from psycopg import Connection
from psycopg.rows import class_row

from worker.clients.backend import LevyModelV1, LevyRange
from worker.sqlfiles import statement

PatchSchema = Literal["none", "levy-range", "levy-model-v1"]

_PENNY = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class LevyRate:
    """Rates of one catchment in pounds per kg; the factor turns a base into today's money.

    A rate marked as a sample belongs to generated data and is never used for a figure.
    """

    nn_catchment: str
    gbp_per_kg_n: Decimal
    gbp_per_kg_p: Decimal
    inflation_factor: Decimal
    model_version: int
    is_sample: bool


@dataclass(frozen=True, slots=True)
class Levy:
    """Pounds, to the penny; VAT is not in either of them."""

    base: Decimal
    inflation_adjusted: Decimal
    model_version: int


def read_levy_rates(connection: Connection, version: int) -> dict[str, LevyRate]:
    """The rates of one version of the layer by catchment; empty if it has none."""
    cursor = connection.cursor(row_factory=class_row(LevyRate))
    rows = cursor.execute(statement(__package__, "levy_rates"), {"version": version}).fetchall()
    return {" ".join(rate.nn_catchment.split()): rate for rate in rows}


def levy(rate: LevyRate, nitrogen_kg_yr: float, phosphorus_kg_yr: float) -> Levy:
    """Both nutrients' load times their rate; a load below zero counts as zero.

    Loads are rounded to two decimals; each amount is rounded half up, from unrounded figures.
    """
    base = _positive(nitrogen_kg_yr) * rate.gbp_per_kg_n
    base += _positive(phosphorus_kg_yr) * rate.gbp_per_kg_p
    return Levy(
        base=_pounds(base),
        inflation_adjusted=_pounds(base * rate.inflation_factor),
        model_version=rate.model_version,
    )


def levy_block(
    schema: PatchSchema,
    rates: Mapping[str, LevyRate],
    catchment: str,
    nitrogen_kg_yr: float,
    phosphorus_kg_yr: float,
) -> LevyRange | LevyModelV1 | None:
    """``levyGbp`` in the given generation of the contract; None where there is no real rate."""
    rate = rates.get(catchment)
    if schema == "none" or rate is None or rate.is_sample:
        return None
    charged = levy(rate, nitrogen_kg_yr, phosphorus_kg_yr)
    amount = float(charged.inflation_adjusted)
    if schema == "levy-range":
        return LevyRange(min=amount, max=amount)
    return LevyModelV1(
        amount_excluding_vat=amount,
        amount_inflation_adjusted=amount,
        base_amount=float(charged.base),
        model_version=charged.model_version,
    )


def _positive(kg_yr: float) -> Decimal:
    # Through text: the shortest decimal is the figure that people see, 0.1 and not 0.1000000000001.
    return max(Decimal(0), Decimal(str(kg_yr)))


def _pounds(amount: Decimal) -> Decimal:
    return amount.quantize(_PENNY, ROUND_HALF_UP)
