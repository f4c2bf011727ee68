"""What holds for any site, on an irregular landscape; checked against a plain SQL join."""

from __future__ import annotations

import itertools
import math
import random
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest
import shapely
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from shapely import MultiPoint, Point, Polygon
from shapely.affinity import translate

from tests.fakes.nutrient_world import (
    ALPHA,
    ALPHA_WORKS,
    BETA,
    EAST,
    NORTH,
    assess,
    lookups,
    placed,
    rectangle,
    site,
)
from tests.fakes.reference_layers import ReferenceLayers
from worker.assessments.cells import pieces
from worker.assessments.guards import no_checkpoint
from worker.assessments.layers import NN_CATCHMENTS, LayerCache
from worker.assessments.nutrient import assess_nutrient
from worker.assessments.nutrient_result import SiteResult
from worker.boundary.model import Area
from worker.demo.postgis import DatabaseServer
from worker.settings import NutrientConstants

_NAIVE = Path(__file__).parents[1] / "fakes" / "naive_nutrient.sql"
_SIZE = 1500.0

few_examples = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.filter_too_much]
)


@pytest.fixture(scope="module")
def connection(postgis: DatabaseServer, database_template: str) -> Iterator[psycopg.Connection]:
    name = f"properties-{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgis.create_database(name, database_template)) as connection:
        yield connection
    postgis.drop_database(name)


@pytest.fixture(scope="module")
def layers(connection: psycopg.Connection) -> ReferenceLayers:
    """Voronoi cells under three ragged catchments, the third of which laps over the others."""
    chance = random.Random(20)
    layers = lookups(connection)
    layers.catchment(1, ALPHA, _ragged(rectangle(0, 0, 700, _SIZE), chance))
    layers.catchment(2, BETA, _ragged(rectangle(700, 0, _SIZE, 800), chance))
    layers.catchment(3, ALPHA, _ragged(rectangle(690, 790, _SIZE, _SIZE), chance))
    for name, left in (("West", 0), ("East", 750)):
        half = _ragged(rectangle(left, 0, left + 750, _SIZE), chance)
        layers.authority(name, half)
        layers.subcatchment(name, half)
    layers.works_catchment(ALPHA_WORKS, rectangle(200, 200, 900, 900))
    points = MultiPoint(
        [
            (
                EAST + chance.uniform(-200, _SIZE + 200),
                NORTH + chance.uniform(-200, _SIZE + 200),
            )
            for _ in range(400)
        ]
    )
    for cell in shapely.get_parts(shapely.voronoi_polygons(points)):
        layers.cell(
            cell,
            n_current=chance.choice([None, chance.uniform(0, 40)]),
            p_current=chance.uniform(0, 2),
            n_residential=chance.uniform(5, 25),
            p_residential=chance.uniform(0.5, 3),
        )
    return layers


def _ragged(shape: Polygon, chance: random.Random) -> Polygon:
    """``shape`` with a vertex every 60 m, each moved by up to 8 m."""
    corners = shapely.get_coordinates(shape.segmentize(60))[:-1].tolist()
    ragged = Polygon([(x + chance.uniform(-8, 8), y + chance.uniform(-8, 8)) for x, y in corners])
    assert ragged.is_valid
    return ragged


@st.composite
def outlines(draw: st.DrawFn, low: float = -100, high: float = _SIZE + 100) -> Polygon:
    """A star-shaped polygon somewhere in the landscape, or across its edge."""
    x, y = draw(st.floats(low, high)), draw(st.floats(low, high))
    radii = draw(st.lists(st.floats(3, 250), min_size=3, max_size=12))
    turns = [2 * math.pi * i / len(radii) for i in range(len(radii))]
    outline = placed(
        Polygon(
            [
                (x + radius * math.cos(turn), y + radius * math.sin(turn))
                for radius, turn in zip(radii, turns, strict=True)
            ]
        )
    )
    assume(outline.is_valid and outline.area > 1)
    return outline


@few_examples
@given(shapes=st.lists(outlines(), min_size=1, max_size=4))
def test_areas_are_those_of_a_plain_join(
    connection: psycopg.Connection, layers: ReferenceLayers, shapes: list[Polygon]
) -> None:
    sites = np.array(shapes, dtype=object)
    catchments = LayerCache().layer(connection, layers.versions, NN_CATCHMENTS, sites)
    overlaps = catchments.overlaps(sites)
    pairs = [
        (number, share.key.oid)
        for number, shares in enumerate(overlaps.shares())
        for share in shares
    ]
    found = pieces(connection, 1, overlaps.shapes(), no_checkpoint)

    expected = connection.execute(
        _NAIVE.read_text(),
        {
            "numbers": list(range(len(shapes))),
            "wkbs": [shapely.to_wkb(shape) for shape in shapes],
            "version": 1,
        },
    ).fetchall()

    assert {
        (*pairs[shape], cell): area_ha
        for shape, cell, area_ha in zip(
            found.shape.tolist(),
            found.cell.tolist(),
            found.area_ha.tolist(),
            strict=True,
        )
    } == {
        (number, oid, cell): pytest.approx(area_ha, abs=1e-6)
        for number, cell, oid, area_ha in expected
    }


@few_examples
@given(shapes=st.lists(outlines(), min_size=2, max_size=5), order=st.randoms())
def test_a_result_depends_on_its_site_alone(
    connection: psycopg.Connection,
    layers: ReferenceLayers,
    shapes: list[Polygon],
    order: random.Random,
) -> None:
    sites = [site(shape, 60, number) for number, shape in enumerate(shapes, start=1)]
    shuffled = order.sample(sites, len(sites))

    together = assess(connection, layers, *sites)

    assert together == tuple(assess(connection, layers, one)[0] for one in sites)
    assert sorted(assess(connection, layers, *shuffled), key=lambda r: r.site) == list(together)


@few_examples
@given(shape=outlines(), cut=st.floats(0.2, 0.8))
def test_two_halves_have_the_uplift_of_the_whole(
    connection: psycopg.Connection, layers: ReferenceLayers, shape: Polygon, cut: float
) -> None:
    xmin, ymin, xmax, ymax = shape.bounds
    middle = xmin + cut * (xmax - xmin)
    halves = [
        shape.intersection(shapely.box(xmin, ymin, middle, ymax)),
        shape.intersection(shapely.box(middle, ymin, xmax, ymax)),
    ]
    assume(all(half.geom_type in ("Polygon", "MultiPolygon") for half in halves))

    whole, *parts = assess_without_greenspace(connection, layers, [shape, *halves])

    assume(whole.in_scope and all(part.in_scope for part in parts))
    assert_adds_up(whole, parts)


def assess_without_greenspace(
    connection: psycopg.Connection, layers: ReferenceLayers, shapes: list[Area]
) -> tuple[SiteResult, ...]:
    """Greenspace comes with size, so that with it halves would not add up."""
    sites = [site(shape, number=number) for number, shape in enumerate(shapes, start=1)]
    constants = NutrientConstants(greenspace_share=0)
    return assess_nutrient(connection, sites, layers.versions, constants).sites


def assert_adds_up(whole: SiteResult, parts: list[SiteResult]) -> None:
    """Within half a hundredth for each rounded piece: no example has 100 of them a site."""
    rounding = 0.005 * 300
    assert sum(part.area_in_nn_catchment_ha or 0 for part in parts) == pytest.approx(
        whole.area_in_nn_catchment_ha, abs=0.02
    )
    assert sum(part.n_lu_uplift_kg_yr or 0 for part in parts) == pytest.approx(
        whole.n_lu_uplift_kg_yr, abs=rounding
    )
    assert sum(part.p_lu_uplift_kg_yr or 0 for part in parts) == pytest.approx(
        whole.p_lu_uplift_kg_yr, abs=rounding
    )


@few_examples
@given(shape=outlines())
def test_more_vertices_on_the_same_outline_change_nothing(
    connection: psycopg.Connection, layers: ReferenceLayers, shape: Polygon
) -> None:
    plain, dense = assess(connection, layers, site(shape), site(shape.segmentize(20), number=2))

    assert dense.in_scope == plain.in_scope
    assert (dense.wwtw_id, dense.lpa, dense.nn_catchment) == (
        plain.wwtw_id,
        plain.lpa,
        plain.nn_catchment,
    )
    assert dense.area_in_nn_catchment_ha == pytest.approx(plain.area_in_nn_catchment_ha, abs=0.01)


@few_examples
@given(shape=outlines(), east=st.floats(3000, 50_000))
def test_a_site_moved_away_is_out_of_scope(
    connection: psycopg.Connection, layers: ReferenceLayers, shape: Polygon, east: float
) -> None:
    (result,) = assess(connection, layers, site(translate(shape, east)))

    assert not result.in_scope
    assert result.lpa == "UNKNOWN"


@few_examples
@given(
    corner=st.tuples(st.integers(0, 700), st.integers(0, 700)),
    size=st.tuples(st.integers(1, 400), st.integers(1, 400)),
    steps=st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
def test_a_site_moved_by_whole_cells_of_a_uniform_layer_keeps_its_result(
    connection: psycopg.Connection,
    uniform: ReferenceLayers,
    corner: tuple[int, int],
    size: tuple[int, int],
    steps: tuple[int, int],
) -> None:
    here = rectangle(*corner, corner[0] + size[0], corner[1] + size[1])
    there = translate(here, 100 * steps[0], 100 * steps[1])

    first, second = assess(connection, uniform, site(here), site(there))

    assert first == second
    assert first.area_in_nn_catchment_ha == pytest.approx(here.area / 10_000, abs=0.0051)


@pytest.fixture(scope="module")
def uniform(connection: psycopg.Connection) -> ReferenceLayers:
    """Equal square cells of 100 m under one catchment."""
    layers = lookups(connection, version=2)
    square = rectangle(0, 0, 2000, 2000)
    layers.catchment(1, ALPHA, square)
    layers.works_catchment(ALPHA_WORKS, square)
    layers.authority("Westshire", square)
    layers.subcatchment("Upper", square)
    for x, y in itertools.product(range(0, 2000, 100), repeat=2):
        layers.cell(rectangle(x, y, x + 100, y + 100))
    return layers


def test_a_site_of_a_few_square_centimetres_is_measured(
    connection: psycopg.Connection, layers: ReferenceLayers
) -> None:
    tiny = placed(Point(400, 400).buffer(0.1))

    (result,) = assess(connection, layers, site(tiny))

    assert result.in_scope
    assert result.dev_area_ha == 0.0
    assert result.wwtw_id == ALPHA_WORKS
