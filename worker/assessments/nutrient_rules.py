"""The arithmetic of the nutrient method: values in, values out.

Areas are hectares, loads and uplifts kg/year, concentrations mg/l. Uplifts are rounded piece by
piece and summed as whole hundredths, which is how the regulator's tool arrives at its figures:
adding rounded floats instead moves half-cent ties.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
from numpy.typing import NDArray

from worker.settings import NutrientConstants

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

SQUARE_METRES_PER_HECTARE = 10_000.0
_DAYS_PER_YEAR = 365.25
_MILLIGRAMS_PER_KILOGRAM = 1_000_000
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Coefficients of one nutrient for each piece (kg/ha/year); NaN where the layer has none."""

    current: FloatArray
    residential: FloatArray


@dataclass(frozen=True, slots=True)
class Permit:
    """What a treatment works may emit of one nutrient (mg/l); None where the lookup is blank."""

    until_2030: float | None
    from_2030: float | None


@dataclass(frozen=True, slots=True)
class Load:
    """Wastewater load of one nutrient in kg/year, not rounded."""

    temporary: float
    permanent: float


def to_hundredths(values: FloatArray) -> IntArray:
    """Each value rounded to two decimals, as a whole number of hundredths.

    The only place where an uplift is rounded: ``numpy.round``, half to even after scaling.
    """
    rounded: IntArray = np.rint(np.round(values, 2) * 100).astype(np.int64)
    return rounded


def round2(value: float) -> float:
    """One value rounded to two decimals: what ``numpy.round`` does, without its cost per call."""
    return round(value * 100) / 100


def round_half_up(value: float) -> float:
    """Two decimals, halves away from zero: how the tool shows wastewater loads."""
    return float(Decimal(repr(value)).quantize(_CENT, ROUND_HALF_UP))


def dev_area_ha(area_m2: float) -> float:
    """The development's area as every other rule uses it: hectares, rounded to two decimals."""
    return round2(area_m2 / SQUARE_METRES_PER_HECTARE)


def with_greenspace(
    coefficients: Coefficients,
    greenspace_kg_ha: float,
    has_greenspace: BoolArray,
    constants: NutrientConstants,
) -> Coefficients:
    """The coefficients with a share of greenspace in the residential ones, where a site has it."""
    share = constants.greenspace_share
    mixed = (1 - share) * coefficients.residential + share * greenspace_kg_ha
    return Coefficients(
        coefficients.current, np.where(has_greenspace, mixed, coefficients.residential)
    )


def uplift_hundredths(area_ha: FloatArray, coefficients: Coefficients) -> IntArray:
    """Uplift of each piece in whole hundredths of kg/year; 0 where a coefficient is missing."""
    uplift = (coefficients.residential - coefficients.current) * area_ha
    return to_hundredths(np.where(is_missing(coefficients), 0.0, uplift))


def is_missing(coefficients: Coefficients) -> BoolArray:
    """Which pieces have no uplift of this nutrient, for want of a coefficient."""
    missing: BoolArray = np.isnan(coefficients.current) | np.isnan(coefficients.residential)
    return missing


def after_suds(uplift: float, dwellings: int, constants: NutrientConstants) -> float:
    """Uplift of a site in kg/year after sustainable drainage, which large sites must have."""
    if dwellings < constants.suds_min_dwellings:
        return uplift
    return round2(uplift - constants.suds_reduction * abs(uplift))


def litres_per_day(dwellings: int, occupancy: float, water_usage_l_person_day: float) -> float:
    """Wastewater of a site in litres/day, not rounded."""
    return dwellings * occupancy * water_usage_l_person_day


def wastewater_load(litres_day: float, permit: Permit, constants: NutrientConstants) -> Load:
    """Load of one nutrient before and from 2030; a blank concentration gives 0."""

    def load(concentration_mg_l: float | None) -> float:
        yearly_mg = litres_day * _DAYS_PER_YEAR * (concentration_mg_l or 0.0)
        return yearly_mg / _MILLIGRAMS_PER_KILOGRAM * constants.wastewater_factor

    return Load(temporary=load(permit.until_2030), permanent=load(permit.from_2030))


def total(uplift_after_suds: float, load: Load, constants: NutrientConstants) -> float:
    """Uplift and permanent load in kg/year with the precautionary buffer on top."""
    budget = uplift_after_suds + load.permanent
    return round2(budget + constants.precautionary_buffer * abs(budget))
