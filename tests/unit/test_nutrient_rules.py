"""The arithmetic of the nutrient method, rule by rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.assessments import nutrient_rules as rules
from worker.assessments.nutrient_rules import Coefficients, Load, Permit
from worker.settings import NutrientConstants

CONSTANTS = NutrientConstants()

areas_ha = st.floats(min_value=1e-6, max_value=100, allow_nan=False)
coefficients = st.floats(min_value=0, max_value=200, allow_nan=False)


def pieces(current: list[float], residential: list[float]) -> Coefficients:
    return Coefficients(np.array(current, dtype=float), np.array(residential, dtype=float))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.9956, 1.0),
        (0.004, 0.0),
        (0.005, 0.0),
        (0.015, 0.02),
        (2.675, 2.68),
        (-1.005, -1.0),
    ],
)
def test_two_decimals_follow_numpy(value: float, shown: float) -> None:
    assert rules.round2(value) == shown
    assert rules.round2(value) == np.round(value, 2)


@given(st.floats(min_value=-1e6, max_value=1e6, allow_nan=False))
def test_a_single_value_and_an_array_are_rounded_alike(value: float) -> None:
    assert rules.round2(value) == np.round(np.array([value]), 2)[0]


def test_a_site_just_below_a_hectare_counts_as_one() -> None:
    assert rules.dev_area_ha(9_956) == 1.0
    assert rules.dev_area_ha(9_949) == 0.99


def test_greenspace_takes_a_fifth_of_sites_that_have_it() -> None:
    before = pieces([5.0, 5.0], [20.0, 20.0])

    after = rules.with_greenspace(before, 3.0, np.array([True, False]), CONSTANTS)

    assert after.residential.tolist() == [0.8 * 20.0 + 0.2 * 3.0, 20.0]
    assert after.current.tolist() == [5.0, 5.0]


def test_each_piece_is_rounded_before_pieces_are_summed() -> None:
    # Three pieces of 0.014 kg: 0.04 if merged first, 0.03 as the regulator's tool rounds.
    uplift = rules.uplift_hundredths(np.full(3, 0.01), pieces([0.0] * 3, [1.4] * 3))

    assert int(uplift.sum()) == 3


def test_uplift_is_residential_less_current() -> None:
    uplift = rules.uplift_hundredths(np.array([2.0, 0.5]), pieces([20.0, 1.0], [15.0, 3.0]))

    assert uplift.tolist() == [-1000, 100]


def test_a_missing_coefficient_gives_no_uplift_and_is_reported() -> None:
    nan = float("nan")
    some_missing = pieces([nan, 1.0, 2.0], [3.0, nan, 3.0])

    assert rules.is_missing(some_missing).tolist() == [True, True, False]
    assert rules.uplift_hundredths(np.ones(3), some_missing).tolist() == [0, 0, 100]


@given(st.lists(st.tuples(areas_ha, coefficients, coefficients), min_size=1, max_size=50))
def test_rounded_pieces_differ_from_the_exact_sum_by_half_a_hundredth_each(
    values: list[tuple[float, float, float]],
) -> None:
    area, current, residential = (np.array(column) for column in zip(*values, strict=True))

    rounded = rules.uplift_hundredths(area, Coefficients(current, residential)).sum() / 100

    exact = float(((residential - current) * area).sum())
    assert abs(rounded - exact) <= 0.005 * len(values) + 1e-6


@pytest.mark.parametrize(
    ("uplift", "dwellings", "expected"),
    [
        (100.0, 49, 100.0),
        (100.0, 50, 75.0),
        (-100.0, 50, -125.0),
        (-125.57, 272, -156.96),
        (0.0, 500, 0.0),
    ],
)
def test_sustainable_drainage_takes_a_quarter_from_fifty_dwellings_on(
    uplift: float, dwellings: int, expected: float
) -> None:
    assert rules.after_suds(uplift, dwellings, CONSTANTS) == expected


def test_wastewater_of_a_real_site() -> None:
    litres = rules.litres_per_day(272, 2.4, 120)
    load = rules.wastewater_load(litres, Permit(25.0, 4.5), CONSTANTS)

    assert rules.round2(litres) == 78336.0
    assert rules.round_half_up(load.temporary) == 643.78
    assert rules.round_half_up(load.permanent) == 115.88


def test_a_blank_concentration_gives_no_load() -> None:
    load = rules.wastewater_load(1000.0, Permit(None, 10.0), CONSTANTS)

    assert load.temporary == 0
    assert load.permanent > 0


@pytest.mark.parametrize(("value", "shown"), [(0.125, 0.13), (2.5, 2.5), (1.005, 1.01), (0.0, 0.0)])
def test_loads_are_shown_rounded_half_up(value: float, shown: float) -> None:
    assert rules.round_half_up(value) == shown


def test_the_total_uses_the_load_before_it_is_rounded() -> None:
    load = Load(temporary=0.0, permanent=0.0041)

    assert rules.total(1.0, load, CONSTANTS) == 1.2
    assert rules.total(1.0, Load(0.0, 0.0042), CONSTANTS) == 1.21


def test_the_buffer_never_makes_a_negative_total_smaller() -> None:
    assert rules.total(-100.0, Load(0.0, 50.0), CONSTANTS) == -40.0


@given(
    st.integers(min_value=-(10**7), max_value=10**7),
    st.integers(min_value=0, max_value=5000),
    st.floats(min_value=0, max_value=1e5),
)
def test_more_impact_never_gives_a_smaller_total(
    hundredths: int, dwellings: int, permanent: float
) -> None:
    def total(uplift_hundredths: int) -> float:
        after = rules.after_suds(uplift_hundredths / 100, dwellings, CONSTANTS)
        return rules.total(after, Load(0.0, permanent), CONSTANTS)

    assert total(hundredths) <= total(hundredths + 1)


def test_every_constant_is_taken_from_the_settings() -> None:
    other = NutrientConstants(
        wastewater_factor=1.0,
        greenspace_share=0.5,
        suds_min_dwellings=1,
        suds_reduction=0.5,
        precautionary_buffer=0.0,
    )

    mixed = rules.with_greenspace(pieces([0.0], [10.0]), 4.0, np.array([True]), other)

    assert mixed.residential.tolist() == [7.0]
    assert rules.after_suds(10.0, 1, other) == 5.0
    assert rules.wastewater_load(1000.0, Permit(1.0, 1.0), other).permanent == 0.36525
    assert rules.total(5.0, Load(0.0, 1.0), other) == 6.0
