"""Uplifts, areas and what is missing: pieces of cells inside sites."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from shapely import MultiPolygon, Polygon

from tests.fakes.nutrient_world import (
    ALPHA,
    ALPHA_WORKS,
    assess,
    landscape,
    lookups,
    placed,
    rectangle,
    site,
)
from tests.fakes.reference_layers import ReferenceLayers
from worker.assessments.layers import LayerCache
from worker.errors import Interrupted, ReferenceDataError


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url) as connection:
        yield connection


@pytest.fixture
def bare(connection: psycopg.Connection) -> ReferenceLayers:
    """One catchment of a square kilometre, and no cells yet."""
    layers = lookups(connection)
    square = rectangle(0, 0, 1000, 1000)
    layers.catchment(1, ALPHA, square)
    layers.works_catchment(ALPHA_WORKS, square)
    layers.authority("Westshire", square)
    layers.subcatchment("Upper", square)
    return layers


def test_a_small_site_has_no_greenspace(
    connection: psycopg.Connection, bare: ReferenceLayers
) -> None:
    bare.cell(rectangle(0, 0, 1000, 1000), n_current=20, n_residential=15)

    (result,) = assess(connection, bare, site(rectangle(0, 0, 100, 50)))

    assert result.dev_area_ha == 0.5
    assert result.n_lu_uplift_kg_yr == -2.5


def test_a_site_that_rounds_to_a_hectare_has_greenspace(
    connection: psycopg.Connection, bare: ReferenceLayers
) -> None:
    bare.cell(
        rectangle(0, 0, 1000, 1000),
        n_current=20,
        n_residential=15,
        p_current=0,
        p_residential=1,
    )

    (result,) = assess(connection, bare, site(rectangle(0, 0, 100, 99.56)))

    assert result.dev_area_ha == 1.0
    # (0.8 x 15 + 0.2 x 3 - 20) x 0.9956 and (0.8 x 1 + 0.2 x 0.2) x 0.9956
    assert result.n_lu_uplift_kg_yr == -7.37
    assert result.p_lu_uplift_kg_yr == 0.84


def test_large_sites_have_sustainable_drainage(
    connection: psycopg.Connection, bare: ReferenceLayers
) -> None:
    bare.cell(rectangle(0, 0, 1000, 1000), n_current=10, n_residential=20)

    few, many = assess(
        connection,
        bare,
        site(rectangle(0, 0, 50, 100), dwellings=49, number=1),
        site(rectangle(0, 0, 50, 100), dwellings=50, number=2),
    )

    assert (few.n_lu_uplift_kg_yr, few.n_lu_post_suds_kg_yr) == (5.0, 5.0)
    assert (many.n_lu_uplift_kg_yr, many.n_lu_post_suds_kg_yr) == (5.0, 3.75)


def test_every_cell_is_rounded_on_its_own(
    connection: psycopg.Connection, bare: ReferenceLayers
) -> None:
    for left in (0, 10, 20):
        bare.cell(rectangle(left, 0, left + 10, 10), n_current=0, n_residential=1.4)

    (result,) = assess(connection, bare, site(rectangle(0, 0, 30, 10)))

    assert result.n_lu_uplift_kg_yr == 0.03


def test_a_cell_in_two_catchments_is_rounded_in_each(
    connection: psycopg.Connection, bare: ReferenceLayers
) -> None:
    bare.catchment(2, ALPHA, rectangle(0, 0, 1000, 1000))
    bare.cell(rectangle(0, 0, 100, 100), n_current=0, n_residential=1.4)

    (result,) = assess(connection, bare, site(rectangle(0, 0, 10, 10)))

    # 0.014 is 0.01 in each catchment, not 0.03 for both; the area counts twice.
    assert result.n_lu_uplift_kg_yr == 0.02
    assert result.area_in_nn_catchment_ha == 0.02
    assert result.nn_catchment == ALPHA
    assert [c.area_ha for c in result.nn_catchments] == [0.01, 0.01]


def test_features_of_one_catchment_are_one(
    connection: psycopg.Connection, bare: ReferenceLayers
) -> None:
    bare.catchment(7, ALPHA, rectangle(0, 2000, 50, 3000))
    bare.catchment(7, ALPHA, rectangle(50, 2000, 100, 3000))
    bare.cell(rectangle(0, 2000, 100, 3000), n_current=0, n_residential=1.4)

    (result,) = assess(connection, bare, site(rectangle(45, 2000, 55, 2010)))

    assert [(c.oid, c.area_ha) for c in result.nn_catchments] == [(7, 0.01)]
    assert result.n_lu_uplift_kg_yr == 0.01


def test_the_line_between_parts_of_a_catchment_divides_no_piece(
    connection: psycopg.Connection,
) -> None:
    layers = lookups(connection)
    # So many vertices that it is stored in parts; 0.014 kg would be twice 0.01 if cut in two.
    layers.catchment(1, ALPHA, rectangle(0, 0, 1000, 1000).segmentize(50))
    for add in (layers.authority, layers.subcatchment):
        add("Somewhere", rectangle(0, 0, 1000, 1000))
    layers.works_catchment(ALPHA_WORKS, rectangle(0, 0, 1000, 1000))
    layers.cell(rectangle(0, 0, 1000, 1000), n_current=0, n_residential=1.4)
    parts = connection.execute("SELECT count(*) FROM reference.nn_catchments_parts").fetchone()
    assert parts is not None
    assert parts[0] > 1

    (result,) = assess(connection, layers, site(rectangle(495, 495, 505, 505)))

    assert result.n_lu_uplift_kg_yr == 0.01


def test_only_what_lies_in_a_catchment_counts(
    connection: psycopg.Connection, bare: ReferenceLayers
) -> None:
    bare.cell(rectangle(-500, 0, 500, 1000), n_current=0, n_residential=10)

    (result,) = assess(connection, bare, site(rectangle(-50, 0, 50, 50)))

    assert result.dev_area_ha == 0.5
    assert result.area_in_nn_catchment_ha == 0.25
    assert result.area_without_cells_ha == 0
    assert result.n_lu_uplift_kg_yr == 2.5


def test_nutrients_are_missed_one_by_one(
    connection: psycopg.Connection, bare: ReferenceLayers
) -> None:
    values = {
        "n_current": 0.0,
        "n_residential": 10.0,
        "p_current": 0.0,
        "p_residential": 10.0,
    }
    bare.cell(rectangle(0, 0, 10, 100), **values)
    bare.cell(rectangle(10, 0, 20, 100), **{**values, "n_current": None})
    bare.cell(rectangle(20, 0, 40, 100), **{**values, "p_residential": None})

    (result,) = assess(connection, bare, site(rectangle(0, 0, 40, 100)))

    assert result.area_in_nn_catchment_ha == 0.4
    assert result.n_lu_uplift_kg_yr == 3.0
    assert result.p_lu_uplift_kg_yr == 2.0
    assert result.area_without_coefficient_ha == 0.3
    assert [(m.nutrient, m.area_ha) for m in result.missing_coefficients] == [
        ("N", 0.1),
        ("P", 0.2),
    ]
    assert any("nitrogen coefficient" in warning for warning in result.warnings)


def test_cells_that_overlap_are_counted_and_said(
    connection: psycopg.Connection, bare: ReferenceLayers
) -> None:
    for _ in range(2):
        bare.cell(rectangle(0, 0, 100, 100), n_current=0, n_residential=10)

    (result,) = assess(connection, bare, site(rectangle(0, 0, 50, 100)))

    assert result.area_in_nn_catchment_ha == 1.0
    assert result.area_without_cells_ha == 0
    assert any("overlap" in warning for warning in result.warnings)


def test_a_site_with_a_hole_leaves_out_the_cells_in_it(
    connection: psycopg.Connection,
) -> None:
    layers = landscape(connection)
    ring = placed(
        Polygon(
            [(250, 250), (950, 250), (950, 950), (250, 950)],
            [[(350, 350), (350, 850), (850, 850), (850, 350)]],
        )
    )

    (result,) = assess(connection, layers, site(ring))

    assert result.dev_area_ha == 24.0
    assert result.area_in_nn_catchment_ha == 24.0
    assert result.area_without_cells_ha == 0


def test_a_site_larger_than_a_tile_counts_each_cell_once(
    connection: psycopg.Connection, bare: ReferenceLayers
) -> None:
    # Cells are looked up in tiles of 2 km from the site's corner; these lie across their lines.
    large = rectangle(0, 2000, 5000, 5000)
    bare.catchment(2, ALPHA, large)
    for x in range(-150, 5150, 300):
        for y in range(1850, 5150, 300):
            bare.cell(rectangle(x, y, x + 300, y + 300), n_current=0, n_residential=10)

    (result,) = assess(connection, bare, site(large, dwellings=1))

    assert result.area_in_nn_catchment_ha == 1500.0
    assert result.area_without_cells_ha == 0
    # 0.8 x 10 + 0.2 x 3 on 1,500 ha
    assert result.n_lu_uplift_kg_yr == 12_900.0
    assert result.warnings == ()


def test_a_site_that_only_touches_part_of_a_catchment_along_a_line(
    connection: psycopg.Connection,
) -> None:
    layers = landscape(connection)
    # Its overlap with the landscape is a polygon and, further on, a line.
    shape = placed(
        Polygon([(-100, 0), (100, 0), (100, 100), (0, 100), (0, 200), (-100, 200)]),
    )

    (result,) = assess(connection, layers, site(shape))

    assert result.area_in_nn_catchment_ha == 1.0


def test_the_parts_near_a_site_give_what_the_whole_layer_gives(
    connection: psycopg.Connection,
) -> None:
    layers = landscape(connection)
    sites = [
        site(rectangle(1950, 100, 2150, 200), number=1),
        site(
            MultiPolygon([rectangle(0, 0, 30, 30), rectangle(3900, 0, 3950, 30)]),
            number=2,
        ),
        site(rectangle(9000, 0, 9100, 100), number=3),
    ]

    fetched = assess(connection, layers, *sites, cache=LayerCache(max_held_bytes=0))

    assert fetched == assess(connection, layers, *sites)


def test_a_cache_never_answers_for_another_version(
    connection: psycopg.Connection,
) -> None:
    first = landscape(connection)
    second = lookups(connection, version=2)
    square = rectangle(0, 0, 1000, 1000)
    second.catchment(5, ALPHA, square)
    second.works_catchment(ALPHA_WORKS, square)
    second.authority("Newshire", square)
    second.subcatchment("Upper", square)
    second.cell(square)
    cache = LayerCache()
    house = site(rectangle(100, 100, 200, 200))

    before = assess(connection, first, house, cache=cache)
    after = assess(connection, second, house, cache=cache)
    again = assess(connection, first, house, cache=cache)

    assert (before[0].lpa, after[0].lpa) == ("Westshire", "Newshire")
    assert again == before


def test_a_checkpoint_can_stop_a_large_site(
    connection: psycopg.Connection, bare: ReferenceLayers
) -> None:
    # 80 km2 of boxes are more than one query fetches.
    large = rectangle(0, 2000, 10_000, 10_000)
    bare.catchment(2, ALPHA, large)
    bare.cell(large)
    calls = 0

    def stop_at_the_third() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Interrupted("lease_lost", "Stop.")

    with pytest.raises(Interrupted):
        assess(connection, bare, site(large), checkpoint=stop_at_the_third)


def test_a_checkpoint_can_stop_the_cutting_of_cells(
    connection: psycopg.Connection, bare: ReferenceLayers
) -> None:
    for left in range(0, 1000, 5):
        bare.cell(rectangle(left, 0, left + 5, 10))
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1

    assess(connection, bare, site(rectangle(0, 0, 10, 8)), checkpoint=count)
    for_two_cells, calls = calls, 0
    # 200 cells have its edge in them, all of one query.
    assess(connection, bare, site(rectangle(0, 0, 1000, 8)), checkpoint=count)

    assert calls >= for_two_cells + 3


def test_an_unusable_cell_is_a_fault_of_the_reference_data(
    connection: psycopg.Connection, bare: ReferenceLayers
) -> None:
    bow_tie = placed(Polygon([(0, 0), (100, 100), (100, 0), (0, 100)]))
    bare.cell(bow_tie)

    with pytest.raises(ReferenceDataError) as raised:
        assess(connection, bare, site(rectangle(20, 20, 80, 50)))

    assert raised.value.code == "reference_geometry_unusable"
