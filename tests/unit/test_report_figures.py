"""Every number of a result stands in its report, and no other number stands in its tables."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.nutrient_results import IN_SCOPE, OUT_OF_SCOPE, pinned_result
from tests.fakes.reports import ABOUT, PICTURE, Page, Pdf
from worker.assessments.gcn_result import (
    GcnResult,
    Habitat,
    HabitatByPartner,
    NewtSiteFact,
    PondFrequency,
)
from worker.assessments.nutrient_result import (
    CatchmentShare,
    MissingCoefficient,
    NutrientResult,
    PlanArea,
    SiteResult,
)
from worker.reports import figures, gcn_report, nutrient_report
from worker.reports.document import Report, Table
from worker.reports.nutrient_report import MAX_SITES_IN_DETAIL, MAX_SITES_LISTED, Maps
from worker.reports.render import render_html, render_pdf
from worker.settings import GcnConstants

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def decimals(places: int, low: float, high: float) -> st.SearchStrategy[float]:
    scale = 10**places
    return st.integers(int(low * scale), int(high * scale)).map(lambda whole: whole / scale)


kilograms = decimals(2, -90_000, 90_000)
hectares = decimals(4, 0, 9_000)
concentrations = decimals(3, 0, 60)

sites_in_scope = st.builds(
    SiteResult,
    **{name: st.just(value) for name, value in IN_SCOPE if isinstance(value, str)},
    site=st.just(1),
    dwellings=st.integers(0, 99_999),
    in_scope=st.just(True),
    dev_area_ha=decimals(2, 0.01, 9_000),
    area_in_nn_catchment_ha=decimals(2, 0, 9_000),
    area_without_cells_ha=hectares,
    area_without_coefficient_ha=hectares,
    missing_coefficients=st.just(())
    | hectares.map(lambda area: (MissingCoefficient(nutrient="P", area_ha=area),)),
    nn_catchments=hectares.map(
        lambda area: (CatchmentShare(oid=7, name="The Broads SAC", area_ha=area),)
    ),
    edp_boundaries=hectares.map(lambda area: (PlanArea(name="Plan", area_ha=area),)),
    edp_excluded_areas=hectares.map(lambda area: (PlanArea(name="Out", area_ha=area),)),
    wwtw_id=st.integers(1, 99_999),
    **{
        name: kilograms
        for name in SiteResult.model_fields
        if name.endswith("_kg_yr") and name != "rates"
    },
    **{name: concentrations for name in SiteResult.model_fields if name.endswith("_mg_l")},
    occupancy_rate=decimals(2, 0.5, 5),
    water_usage_l_person_day=decimals(1, 50, 300),
    litres_used_day=decimals(2, 0, 90_000_000),
)


def numbers_in(text: str) -> set[float]:
    return {float(number.replace(",", "")) for number in _NUMBER.findall(text)}


def numbers_of(value: object) -> Iterator[float]:
    """Every number in a result's JSON, but those that are part of a name."""
    match value:
        case bool() | str() | None:
            return
        case int() | float():
            yield float(value)
        case dict():
            for inner in value.values():
                yield from numbers_of(inner)
        case list():
            for inner in value:
                yield from numbers_of(inner)


def nutrient(found: NutrientResult) -> Report:
    maps = Maps({site.site: PICTURE for site in found.sites}, PICTURE)
    return nutrient_report.compose(found, maps, ABOUT)


@settings(max_examples=60, deadline=None)
@given(sites_in_scope)
def test_every_number_of_a_nutrient_result_is_on_the_page(site: SiteResult) -> None:
    found = pinned_result(site)

    shown = numbers_in(Page(render_html(nutrient(found))).text)

    assert set(numbers_of(found.model_dump(mode="json"))) <= shown


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sites_in_scope)
def test_every_number_of_a_nutrient_result_is_in_the_pdf(site: SiteResult) -> None:
    found = pinned_result(site)

    shown = numbers_in(Pdf(render_pdf(nutrient(found))).text())

    assert set(numbers_of(found.model_dump(mode="json"))) <= shown


@settings(max_examples=60, deadline=None)
@given(sites_in_scope)
def test_no_figure_stands_in_a_table_that_the_result_does_not_have(site: SiteResult) -> None:
    found = pinned_result(site)
    known = set(numbers_of(found.model_dump(mode="json")))

    for section in nutrient(found).sections:
        for block in section.blocks:
            if isinstance(block, Table):
                for row in block.rows:
                    for column, cell in zip(block.columns, row, strict=True):
                        if column.numeric:
                            assert numbers_in(cell) <= known, (block.caption, row)


def test_a_total_that_cannot_be_given_is_said_and_not_zero() -> None:
    nothing = {
        name: None for name in SiteResult.model_fields if "_wwtw_" in name or "_total_" in name
    }
    site = IN_SCOPE.model_copy(update={**nothing, "reason": "The works 9 is not in the lookup."})

    text = Page(render_html(nutrient(pinned_result(site)))).text

    assert "no total can be given" in text
    assert "The works 9 is not in the lookup." in text
    assert text.count(figures.NOT_AVAILABLE) == 6


def test_land_use_of_a_site_in_no_catchment_is_no_figure() -> None:
    through_works = IN_SCOPE.model_copy(
        update={"nn_catchment": None, "n_lu_uplift_kg_yr": 0.0, "rates_source": "default"}
    )

    text = Page(render_html(nutrient(pinned_result(through_works)))).text

    assert text.count("no catchment") >= 4
    assert "occupancy and water use are the defaults" in text


def test_a_site_out_of_scope_has_its_reason_and_no_figures() -> None:
    text = Page(render_html(nutrient(pinned_result(OUT_OF_SCOPE)))).text

    assert "Out of scope of nutrient neutrality." in text
    assert "The site is in no nutrient neutrality catchment." in text
    assert "Nutrients in kg a year" not in text


def batch(size: int) -> Report:
    return nutrient(
        pinned_result(*(IN_SCOPE.model_copy(update={"site": n}) for n in range(1, size + 1)))
    )


def test_few_sites_have_a_section_each_and_many_a_row() -> None:
    few, many = batch(MAX_SITES_IN_DETAIL), batch(MAX_SITES_IN_DETAIL + 1)

    assert sum(section.heading.startswith("Site ") for section in few.sections) == 10
    assert not any(section.heading.startswith("Site ") for section in many.sections)
    assert "the CSV file" in Page(render_html(many)).text


def test_a_list_that_is_cut_says_so() -> None:
    text = Page(render_html(batch(MAX_SITES_LISTED + 1))).text

    assert "These are the first 1,000 of 1,001 sites." in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (-0.0, "0"), (110.0, "110"), (1e-07, "0.0000001"), (1234.5, "1,234.5")],
)
def test_exact_numbers_have_all_their_decimals_and_no_more(value: float, shown: str) -> None:
    assert figures.exact(value) == shown


areas_m2 = decimals(3, 0.001, 9_000_000)
habitats = st.lists(
    st.builds(
        Habitat,
        site=st.none() | st.integers(1, 9),
        area=st.just("RLB"),
        risk_zone=st.sampled_from(["Red", "Amber", "Green"]),
        habitat_area_m2=areas_m2,
    ),
    max_size=6,
)
newt_results = st.builds(
    GcnResult,
    sites=areas_m2.map(lambda m2: (NewtSiteFact(site=1, id=None, name="Copse", area_m2=m2),)),
    ponds_source=st.sampled_from(["survey", "national"]),
    habitat=habitats.map(tuple),
    ponds=st.integers(1, 9_999).map(
        lambda n: (
            PondFrequency(pans="NS", area="Buffer", max_zone=None, tmp_imp="F", frequency=n),
        )
    ),
    habitat_by_edp=habitats.map(
        lambda found: tuple(
            HabitatByPartner(**one.model_dump(), edp_name=None if one.site else "West")
            for one in found
        )
    ),
    ponds_by_edp=st.just(()),
    warnings=st.just(("Sites overlap.",)),
    reference_versions=st.just(pinned_result().reference_versions),
    constants=st.just(GcnConstants()),
)


@settings(max_examples=60, deadline=None)
@given(newt_results)
def test_every_number_of_a_newt_result_is_on_the_page(found: GcnResult) -> None:
    text = Page(render_html(gcn_report.compose(found, PICTURE, ABOUT))).text

    assert set(numbers_of(found.model_dump(mode="json"))) <= numbers_in(text)
    assert ("There was no pond survey" in text) == (found.ponds_source == "national")


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(newt_results)
def test_every_number_of_a_newt_result_is_in_the_pdf(found: GcnResult) -> None:
    text = Pdf(render_pdf(gcn_report.compose(found, PICTURE, ABOUT))).text()

    assert set(numbers_of(found.model_dump(mode="json"))) <= numbers_in(text)
