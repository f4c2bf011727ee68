"""What the backend is told about a quote, from the result of its site."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest

from tests.fakes.nutrient_results import BROADS, RATE, WENSUM, nutrient_result, site_result
from worker.assessments.nutrient_result import CatchmentShare, SiteResult
from worker.errors import ReferenceDataError
from worker.jobs.levy import LevyRate, PatchSchema, levy
from worker.jobs.quote_patch import QuotePatch, band, quote_patch, rounded


def patch(
    site: SiteResult,
    *,
    schema: PatchSchema = "none",
    accepts_empty_edps: bool = False,
    rates: Mapping[str, LevyRate] | None = None,
) -> QuotePatch:
    return quote_patch(
        nutrient_result(site),
        schema=schema,
        accepts_empty_edps=accepts_empty_edps,
        levy_rates=rates or {},
    )


def body_of(found: QuotePatch) -> object:
    assert found.body is not None
    return found.body.as_json()


@pytest.mark.parametrize(
    ("total_kg_yr", "amount", "size"),
    [
        (-3.2, -3.2, 1),
        (-0.001, 0.0, 1),
        (0.25, 0.25, 1),
        (0.254, 0.25, 1),
        # 0.255 is a little more than that in binary, 2.005 a little less.
        (0.255, 0.26, 2),
        (2, 2.0, 2),
        (2.005, 2.0, 2),
        (2.01, 2.01, 3),
        (5, 5.0, 3),
        (5.01, 5.01, 4),
    ],
)
def test_an_amount_is_rounded_before_its_band_is_chosen(
    total_kg_yr: float, amount: float, size: int
) -> None:
    assert str(rounded(total_kg_yr)) == str(amount)
    assert band(rounded(total_kg_yr)) == size


def test_a_site_in_one_catchment_is_one_plan_with_both_totals() -> None:
    found = patch(site_result(BROADS, nitrogen_kg_yr=12.34, phosphorus_kg_yr=0.2))

    assert found.fact is None
    assert body_of(found) == {
        "edps": [
            {
                "edpId": 7,
                "edpName": "The Broads SAC",
                "edpType": "NUTRIENT",
                "impact": {
                    "nitrogenTotal": {
                        "amount": 12.34,
                        "unit": "mg/I TP",
                        "band": {"min": 4, "max": 4},
                    },
                    "phosphorusTotal": {
                        "amount": 0.2,
                        "unit": "mg/I TP",
                        "band": {"min": 1, "max": 1},
                    },
                },
            }
        ]
    }


def test_features_of_one_name_are_one_plan_under_the_lowest_oid() -> None:
    upper = CatchmentShare(oid=31, name=WENSUM.name, area_ha=0.1)
    lower = CatchmentShare(oid=4, name=WENSUM.name, area_ha=0.2)

    found = patch(site_result(upper, lower, BROADS, WENSUM))

    assert found.body is not None
    assert [(edp.edp_id, edp.edp_name) for edp in found.body.edps] == [
        (4, WENSUM.name),
        (7, BROADS.name),
    ]
    assert len({edp.impact for edp in found.body.edps}) == 1


def test_the_order_of_catchments_in_the_result_does_not_change_the_body() -> None:
    assert patch(site_result(BROADS, WENSUM)) == patch(site_result(WENSUM, BROADS))


def test_a_site_in_scope_through_its_works_is_reported_where_its_rates_come_from() -> None:
    found = patch(site_result(rates_catchment=WENSUM.name, rates_catchment_oid=WENSUM.oid))

    assert found.body is not None
    assert [(edp.edp_id, edp.edp_name) for edp in found.body.edps] == [(12, WENSUM.name)]


@pytest.mark.parametrize(
    "site",
    [
        site_result(in_scope=False, reason="outside", nitrogen_kg_yr=None, phosphorus_kg_yr=None),
        site_result(reason=None),
    ],
    ids=["out of scope", "in scope without a catchment"],
)
def test_without_a_plan_an_empty_list_is_sent_only_where_it_is_accepted(site: SiteResult) -> None:
    assert body_of(patch(site, accepts_empty_edps=True)) == {"edps": []}
    silent = patch(site, accepts_empty_edps=False)
    assert silent.body is None
    assert silent.fact == (site.reason or "No nutrient neutrality catchment is concerned.")


def test_a_site_without_a_total_is_an_error_and_not_a_zero() -> None:
    with pytest.raises(ReferenceDataError) as raised:
        patch(site_result(BROADS, phosphorus_kg_yr=None, reason="works 9 has no row"))
    assert raised.value.code == "total_unavailable"
    assert "works 9 has no row" in raised.value.detail


def test_a_quote_with_two_sites_is_never_answered_with_one_of_them() -> None:
    two = nutrient_result(site_result(BROADS)).model_copy(
        update={"sites": (site_result(BROADS), site_result(WENSUM))}
    )
    with pytest.raises(ValueError, match="too many values"):
        quote_patch(two, schema="none", accepts_empty_edps=False, levy_rates={})


def test_the_levy_is_load_times_rate_over_both_nutrients() -> None:
    charged = levy(RATE, 12.34, 0.2)

    # 12.34 x 2000.5 + 0.2 x 30000 = 30686.17; x 1.1 = 33754.787
    assert charged.base == Decimal("30686.17")
    assert charged.inflation_adjusted == Decimal("33754.79")


def test_a_load_below_zero_takes_nothing_off_the_levy() -> None:
    assert levy(RATE, -100.0, 0.2).base == Decimal("6000.00")
    assert levy(RATE, -100.0, -1.0).base == Decimal("0.00")


@pytest.mark.parametrize(
    ("schema", "block"),
    [
        ("levy-range", {"min": 33754.79, "max": 33754.79}),
        (
            "levy-model-v1",
            {
                "amountExcludingVat": 33754.79,
                "amountInflationAdjusted": 33754.79,
                "baseAmount": 30686.17,
                "modelVersion": 3,
            },
        ),
    ],
)
def test_the_levy_has_the_form_of_the_configured_schema(
    schema: PatchSchema, block: dict[str, float]
) -> None:
    found = patch(
        site_result(BROADS, nitrogen_kg_yr=12.34, phosphorus_kg_yr=0.2),
        schema=schema,
        rates={BROADS.name: RATE},
    )
    assert found.body is not None
    (edp,) = found.body.edps
    assert edp.model_dump(by_alias=True)["levyGbp"] == block


@pytest.mark.parametrize(
    ("schema", "rates"),
    [
        ("none", {BROADS.name: RATE}),
        ("levy-model-v1", {}),
        ("levy-model-v1", {WENSUM.name: RATE}),
        (
            "levy-range",
            {
                BROADS.name: LevyRate(
                    BROADS.name, Decimal(1), Decimal(1), Decimal(1), 1, is_sample=True
                )
            },
        ),
    ],
    ids=["not configured", "no rates", "rate of another catchment", "sample rate"],
)
def test_without_a_real_rate_the_levy_is_left_out(
    schema: PatchSchema, rates: dict[str, LevyRate]
) -> None:
    found = patch(site_result(BROADS), schema=schema, rates=rates)

    assert "levyGbp" not in str(body_of(found))
