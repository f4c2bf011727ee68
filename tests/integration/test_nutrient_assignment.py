"""Which works, authority, subcatchment, rates and scope a site gets."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from shapely import MultiPolygon

from tests.fakes.nutrient_world import (
    ALPHA,
    ALPHA_WORKS,
    BETA,
    BETA_WORKS,
    DEFAULT_WORKS,
    assess,
    landscape,
    lookups,
    rectangle,
    site,
)
from worker.assessments.nutrient import assess_nutrient
from worker.errors import ReferenceDataError, ReferenceDataMissing
from worker.reference.versions import ReferenceVersions
from worker.settings import NutrientConstants


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url) as connection:
        yield connection


def test_a_site_takes_what_covers_most_of_it(connection: psycopg.Connection) -> None:
    layers = landscape(connection)

    (result,) = assess(connection, layers, site(rectangle(1950, 100, 2150, 200)))

    assert result.in_scope
    assert result.dev_area_ha == 2.0
    assert (result.wwtw_id, result.wwtw_name) == (BETA_WORKS, "Beta Works")
    assert (result.lpa, result.subcatchment) == ("Eastshire", "Lower")
    assert result.wwtw_subcatchment == "Lower"
    assert result.nn_catchment == f"{ALPHA}; {BETA}"
    assert [(c.oid, c.name, c.area_ha) for c in result.nn_catchments] == [
        (1, ALPHA, 0.5),
        (2, BETA, 1.5),
    ]


def test_white_space_in_names_is_normalised(connection: psycopg.Connection) -> None:
    layers = landscape(connection)

    (result,) = assess(connection, layers, site(rectangle(100, 100, 200, 200)))

    assert result.wwtw_name == "Alpha Works"


def test_features_with_the_same_id_count_together(
    connection: psycopg.Connection,
) -> None:
    layers = lookups(connection)
    layers.catchment(1, ALPHA, rectangle(0, 0, 1000, 1000))
    layers.cells(600_000, 300_000, 601_000, 301_000, size=100)
    layers.subcatchment("Upper", rectangle(0, 0, 1000, 1000))
    layers.authority("Split", rectangle(0, 0, 300, 1000))
    layers.authority("Whole", rectangle(300, 0, 700, 1000))
    layers.authority("Split", rectangle(700, 0, 1000, 1000))
    layers.works_catchment(BETA_WORKS, rectangle(0, 0, 400, 1000))
    layers.works_catchment(ALPHA_WORKS, rectangle(400, 0, 700, 1000))
    layers.works_catchment(ALPHA_WORKS, rectangle(700, 0, 1000, 1000))

    (result,) = assess(connection, layers, site(rectangle(0, 0, 1000, 1000)))

    assert result.lpa == "Split"
    assert result.wwtw_id == ALPHA_WORKS


def test_ties_go_to_the_lowest_id(connection: psycopg.Connection) -> None:
    layers = lookups(connection)
    everywhere = rectangle(0, 0, 1000, 1000)
    # Equal areas, but cut into parts in another way: sums differ in their last digits.
    rounder = everywhere.buffer(0).segmentize(37.7)
    layers.catchment(1, ALPHA, everywhere)
    layers.cells(600_000, 300_000, 601_000, 301_000, size=100)
    for code, shape in ((20, everywhere), (9, rounder), (10, everywhere)):
        layers.works_catchment(code, shape)
    for name, shape in (("Zed", everywhere), ("Ayle", rounder), ("Bee", everywhere)):
        layers.authority(name, shape)
        layers.subcatchment(name, shape)

    (result,) = assess(connection, layers, site(rectangle(1, 1, 998.3, 997.1)))

    assert (result.wwtw_id, result.lpa, result.subcatchment) == (9, "Ayle", "Ayle")


def test_where_no_works_is_a_package_plant_is_assumed(
    connection: psycopg.Connection,
) -> None:
    layers = lookups(connection)
    layers.catchment(1, ALPHA, rectangle(0, 0, 1000, 1000))
    layers.cells(600_000, 300_000, 601_000, 301_000, size=100)
    layers.works_catchment(ALPHA_WORKS, rectangle(5000, 0, 6000, 1000))
    layers.authority("Elsewhere", rectangle(5000, 0, 6000, 1000))
    layers.subcatchment("Middle", rectangle(0, 0, 1000, 1000))

    (result,) = assess(connection, layers, site(rectangle(100, 100, 200, 200)))

    assert result.wwtw_id == DEFAULT_WORKS
    assert result.wwtw_name == "Package Treatment Plant default"
    assert result.wwtw_subcatchment == "Middle"
    assert result.lpa == "UNKNOWN"
    assert result.n_conc_2030_onwards_mg_l == 25.0


def test_contact_along_a_line_is_not_overlap(connection: psycopg.Connection) -> None:
    layers = landscape(connection)
    layers.authority("Northshire", rectangle(0, 2000, 4000, 3000))

    touching, crossing = assess(
        connection,
        layers,
        site(rectangle(1000, 2000, 1100, 2100), number=1),
        site(rectangle(1000, 1999, 1100, 2100), number=2),
    )

    assert not touching.in_scope
    assert crossing.in_scope
    assert crossing.lpa == "Northshire"


def test_a_site_away_from_catchments_and_works_is_listed_without_numbers(
    connection: psycopg.Connection,
) -> None:
    layers = landscape(connection)

    (result,) = assess(connection, layers, site(rectangle(9000, 0, 9100, 100), dwellings=7))

    assert not result.in_scope
    assert result.reason is not None
    assert "no nutrient neutrality catchment" in result.reason
    shown = result.model_dump(exclude={"site", "dwellings", "in_scope"})
    assert not [name for name, value in shown.items() if isinstance(value, int | float)]
    assert (result.site, result.dwellings) == (1, 7)


def test_works_without_a_lookup_row_bring_nothing_into_scope(
    connection: psycopg.Connection,
) -> None:
    layers = landscape(connection)
    layers.works_catchment(77, rectangle(9000, 0, 9500, 500))

    (result,) = assess(connection, layers, site(rectangle(9000, 0, 9100, 100)))

    assert not result.in_scope
    assert result.reason is not None
    assert "77" in result.reason


def test_a_site_is_in_scope_through_its_works_alone(
    connection: psycopg.Connection,
) -> None:
    layers = landscape(connection)
    layers.works_catchment(BETA_WORKS, rectangle(9000, 0, 9500, 500))

    (result,) = assess(connection, layers, site(rectangle(9000, 0, 9100, 100), dwellings=100))

    assert result.in_scope
    assert (result.area_in_nn_catchment_ha, result.nn_catchment) == (0.0, None)
    assert result.rates_source == "works-subcatchment"
    assert (result.rates_catchment, result.rates_catchment_oid) == (BETA, 2)
    assert (result.occupancy_rate, result.water_usage_l_person_day) == (2.0, 100.0)
    assert result.litres_used_day == 20_000.0
    assert result.n_lu_uplift_kg_yr == 0
    # 20,000 l x 365.25 x 10 mg/l = 73.05 kg, 65.745 kg after the factor, and a fifth on top.
    assert result.n_wwtw_perm_kg_yr == 65.75
    assert result.n_total_kg_yr == 78.89


def test_holes_in_the_cells_do_not_change_scope(connection: psycopg.Connection) -> None:
    layers = lookups(connection)
    layers.catchment(1, ALPHA, rectangle(0, 0, 1000, 1000))
    layers.cells(600_000, 300_000, 600_500, 301_000, size=100)
    for add in (layers.authority, layers.subcatchment):
        add("Somewhere", rectangle(0, 0, 1000, 1000))
    layers.works_catchment(ALPHA_WORKS, rectangle(0, 0, 100, 100))

    (result,) = assess(connection, layers, site(rectangle(600, 600, 700, 700)))

    assert result.in_scope
    assert result.nn_catchment == ALPHA
    assert result.rates_source == "site"
    assert result.area_in_nn_catchment_ha == 0
    assert result.area_without_cells_ha == 1.0
    assert any("no cell" in warning for warning in result.warnings)


def test_rates_are_those_of_the_catchment_with_most_area(
    connection: psycopg.Connection,
) -> None:
    layers = lookups(connection)
    # Beta has the largest feature, Alpha the largest sum.
    layers.catchment(3, ALPHA, rectangle(0, 0, 300, 1000))
    layers.catchment(5, BETA, rectangle(300, 0, 700, 1000))
    layers.catchment(4, ALPHA, rectangle(700, 0, 1000, 1000))
    layers.cells(600_000, 300_000, 601_000, 301_000, size=100)
    for add in (layers.authority, layers.subcatchment):
        add("Somewhere", rectangle(0, 0, 1000, 1000))
    layers.works_catchment(BETA_WORKS, rectangle(0, 0, 1000, 1000))

    (result,) = assess(connection, layers, site(rectangle(0, 0, 1000, 100)))

    assert (result.occupancy_rate, result.water_usage_l_person_day) == (2.4, 120.0)
    assert (result.rates_catchment, result.rates_catchment_oid) == (ALPHA, 3)
    assert result.nn_catchment == f"{ALPHA}; {BETA}"
    assert [c.oid for c in result.nn_catchments] == [3, 4, 5]


def test_equal_areas_take_the_rates_of_the_first_name(
    connection: psycopg.Connection,
) -> None:
    layers = landscape(connection)

    (result,) = assess(connection, layers, site(rectangle(1900, 0, 2100, 100)))

    assert result.rates_catchment == ALPHA


def test_rates_do_not_come_from_other_sites_of_the_file(
    connection: psycopg.Connection,
) -> None:
    layers = landscape(connection)

    west, east = assess(
        connection,
        layers,
        site(rectangle(100, 100, 200, 200), number=1),
        site(rectangle(2100, 100, 2900, 900), number=2),
    )

    assert (west.occupancy_rate, east.occupancy_rate) == (2.4, 2.0)


def test_default_rates_where_the_works_subcatchment_meets_no_catchment(
    connection: psycopg.Connection,
) -> None:
    layers = landscape(connection)
    layers.works(30, "Far", subcatchment="Far")
    layers.works(31, "Nowhere", subcatchment="Not in the layer")
    layers.works(32, "Blank")
    layers.subcatchment("Far", rectangle(8000, 0, 9500, 500))
    for code, left in ((30, 9000), (31, 10_000), (32, 11_000)):
        layers.works_catchment(code, rectangle(left, 0, left + 500, 500))

    results = assess(
        connection,
        layers,
        *(
            site(rectangle(left, 0, left + 100, 100), number=number)
            for number, left in enumerate((9000, 10_000, 11_000), start=1)
        ),
    )

    assert [r.rates_source for r in results] == ["default"] * 3
    assert [(r.occupancy_rate, r.water_usage_l_person_day) for r in results] == [(2.4, 120.0)] * 3
    assert [r.rates_catchment for r in results] == [None] * 3


def test_a_catchment_that_the_rates_lookup_lacks_is_an_error(
    connection: psycopg.Connection,
) -> None:
    layers = landscape(connection)
    layers.catchment(9, "Gamma SAC", rectangle(0, 5000, 1000, 6000))

    with pytest.raises(ReferenceDataError) as raised:
        assess(connection, layers, site(rectangle(100, 5100, 200, 5200)))

    assert raised.value.code == "reference_rates_missing"
    assert "Gamma SAC" in raised.value.sentence


def test_works_without_a_lookup_row_give_no_load_and_no_total(
    connection: psycopg.Connection,
) -> None:
    layers = landscape(connection)
    layers.works_catchment(77, rectangle(0, 0, 2000, 2000))
    layers.works_catchment(77, rectangle(0, 0, 2000, 2000))

    (result,) = assess(connection, layers, site(rectangle(100, 100, 300, 300)))

    assert result.in_scope
    assert result.wwtw_id == 77
    assert result.reason is not None
    assert "77" in result.reason
    assert result.n_lu_uplift_kg_yr != 0
    assert (result.n_wwtw_perm_kg_yr, result.p_wwtw_temp_kg_yr) == (None, None)
    assert (result.n_total_kg_yr, result.p_total_kg_yr) == (None, None)
    assert result.wwtw_name is None


def test_blank_concentrations_are_named(connection: psycopg.Connection) -> None:
    layers = landscape(connection)
    layers.works(40, "Old", nitrogen=(None, None), phosphorus=(8.0, 8.0))
    layers.works_catchment(40, rectangle(5000, 0, 6000, 1000))

    (result,) = assess(connection, layers, site(rectangle(5100, 100, 5200, 200)))

    assert result.blank_concentrations == ("nitrogen 2025-2030", "nitrogen from 2030")
    assert (result.n_wwtw_temp_kg_yr, result.n_wwtw_perm_kg_yr) == (0.0, 0.0)
    assert result.n_conc_2030_onwards_mg_l is None
    assert result.p_wwtw_perm_kg_yr is not None
    assert result.p_wwtw_perm_kg_yr > 0
    assert any("nitrogen 2025-2030" in warning for warning in result.warnings)


def test_of_works_rows_with_one_code_the_first_counts(
    connection: psycopg.Connection,
) -> None:
    layers = landscape(connection)
    layers.works(50, "Later", source_row=9)
    layers.works(50, "First", source_row=3)
    layers.works_catchment(50, rectangle(5000, 0, 6000, 1000))

    (result,) = assess(connection, layers, site(rectangle(5100, 100, 5200, 200)))

    assert result.wwtw_name == "First"


def test_plan_areas_are_listed_and_excluded_areas_warn(
    connection: psycopg.Connection,
) -> None:
    layers = landscape(connection)
    plain = assess(connection, layers, site(rectangle(100, 100, 200, 200)))[0]
    layers.plan_area("Broad Plan", rectangle(0, 0, 150, 2000))
    layers.excluded_area("Fen SSSI", rectangle(0, 0, 2000, 120))

    (result,) = assess(connection, layers, site(rectangle(100, 100, 200, 200)))

    assert [(a.name, a.area_ha) for a in result.edp_boundaries] == [("Broad Plan", 0.5)]
    assert [(a.name, a.area_ha) for a in result.edp_excluded_areas] == [("Fen SSSI", 0.2)]
    assert result.warnings == ("The site shares 0.2 ha with the excluded area Fen SSSI.",)
    added = {"edp_boundaries", "edp_excluded_areas", "warnings"}
    assert result.model_dump(exclude=added) == plain.model_dump(exclude=added)


def test_a_site_of_several_polygons_is_one_development(
    connection: psycopg.Connection,
) -> None:
    layers = landscape(connection)
    scattered = MultiPolygon([rectangle(0, 0, 100, 100), rectangle(3900, 1900, 4000, 2000)])

    (result,) = assess(connection, layers, site(scattered))

    assert (result.dev_area_ha, result.area_in_nn_catchment_ha) == (2.0, 2.0)
    assert result.nn_catchment == f"{ALPHA}; {BETA}"


def test_layers_that_are_not_pinned_are_named(connection: psycopg.Connection) -> None:
    layers = landscape(connection)
    pinned = {
        name: version
        for name, version in layers.versions.layers.items()
        if name not in ("rates_lookup", "edp_boundaries")
    }

    with pytest.raises(ReferenceDataMissing) as raised:
        assess_nutrient(connection, [], ReferenceVersions(pinned), NutrientConstants())

    assert "rates_lookup" in raised.value.sentence
    assert "edp_boundaries" in raised.value.sentence


@pytest.mark.parametrize("layer", ["nn_catchments", "wwtw_catchments", "coefficient_layer"])
def test_an_empty_layer_is_not_an_answer(connection: psycopg.Connection, layer: str) -> None:
    layers = landscape(connection)
    connection.execute(f"DELETE FROM reference.{layer}".encode())

    with pytest.raises(ReferenceDataMissing) as raised:
        assess(connection, layers, site(rectangle(100, 100, 200, 200)))

    assert raised.value.code == "reference_layer_empty"
    assert layer in raised.value.sentence


def test_features_that_were_never_subdivided_are_missed(
    connection: psycopg.Connection,
) -> None:
    layers = landscape(connection)
    layers.forget_parts("nn_catchments")

    with pytest.raises(ReferenceDataError) as raised:
        assess(connection, layers, site(rectangle(100, 100, 200, 200)))

    assert raised.value.code == "reference_layer_incomplete"
