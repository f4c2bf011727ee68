"""The rules of the newt method on tiny layers, with figures that can be checked by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator

import psycopg
import pytest
import shapely
from shapely import MultiPolygon

from tests.fakes.newt_world import (
    CONSTANTS,
    EVERYWHERE,
    assess,
    newt_sites,
    pond,
    pond_at,
    survey,
)
from tests.fakes.nutrient_world import placed, rectangle
from tests.fakes.reference_layers import ReferenceLayers
from worker.assessments.gcn import assess_gcn
from worker.assessments.gcn_result import GcnResult
from worker.assessments.layers import LayerCache
from worker.errors import ReferenceDataError, ReferenceDataMissing, WorkerError
from worker.reference.versions import ReferenceVersions
from worker.settings import GcnConstants

SITE = rectangle(0, 0, 1000, 1000)
# A circle drawn with 32 segments a quadrant has this much of its area.
ROUND = 128 * math.sin(2 * math.pi / 128) / (2 * math.pi)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


@pytest.fixture
def layers(connection: psycopg.Connection) -> ReferenceLayers:
    """Amber everywhere, one partner in the west half."""
    layers = ReferenceLayers(connection)
    layers.risk_zone("Amber", EVERYWHERE)
    layers.partner("West", rectangle(-5_000, -5_000, 500, 6_000))
    return layers


def habitat(result: GcnResult) -> dict[tuple[int | None, str], float]:
    return {(one.site, one.risk_zone): one.habitat_area_m2 for one in result.habitat}


def kinds(result: GcnResult) -> list[tuple[str, str, str | None, str, int]]:
    return [(one.pans, one.area, one.max_zone, one.tmp_imp, one.frequency) for one in result.ponds]


def test_habitat_is_what_lies_within_250_m_of_a_pond(
    connection: psycopg.Connection, layers: ReferenceLayers
) -> None:
    result = assess(connection, layers, [SITE], [pond_at(495, 495)])

    # A square of 10 m with 250 m around it: the square, four sides, four quarters of a circle.
    expected = 100 + 4 * 10 * 250 + math.pi * 250**2 * ROUND
    assert habitat(result) == {(1, "Amber"): pytest.approx(expected, abs=0.2)}
    assert kinds(result) == [("P", "RLB", "Amber", "F", 1)]


def test_the_buffer_is_250_m_around_the_sites_without_them(
    connection: psycopg.Connection, layers: ReferenceLayers
) -> None:
    everywhere = GcnConstants(pond_buffer_m=3_000)

    result = assess(connection, layers, [SITE], [pond_at(500, 500)], constants=everywhere)

    around = 4 * 1000 * 250 + math.pi * 250**2 * ROUND
    assert habitat(result) == {
        (1, "Amber"): 1_000_000,
        (None, "Amber"): pytest.approx(around, abs=0.2),
    }
    assert [one.area for one in result.habitat] == ["RLB", "Buffer"]


def test_sites_stay_separate_and_their_neighbours_are_no_buffer(
    connection: psycopg.Connection, layers: ReferenceLayers
) -> None:
    west, east = rectangle(0, 0, 100, 100), rectangle(100, 0, 200, 100)

    result = assess(connection, layers, [west, east], [pond_at(95, 45)])

    found = habitat(result)
    assert (found[1, "Amber"], found[2, "Amber"]) == (10_000, 10_000)
    whole = shapely.union(west, east).buffer(250, quad_segs=32)
    reach = pond_at(95, 45).buffer(250, quad_segs=32)
    outside = shapely.difference(whole, shapely.union(west, east)).intersection(reach).area
    assert found[None, "Amber"] == pytest.approx(outside, abs=0.1)


def test_sites_that_overlap_are_both_counted_and_it_is_said(
    connection: psycopg.Connection, layers: ReferenceLayers
) -> None:
    result = assess(
        connection,
        layers,
        [rectangle(0, 0, 100, 100), rectangle(50, 0, 150, 100)],
        [pond_at(70, 50)],
    )

    found = habitat(result)
    assert (found[1, "Amber"], found[2, "Amber"]) == (10_000, 10_000)
    assert result.warnings == ("Sites overlap: 5,000 m2 are counted for more than one site.",)


def test_habitat_is_divided_by_colour_and_zero_areas_are_left_out(
    connection: psycopg.Connection,
) -> None:
    layers = ReferenceLayers(connection)
    layers.risk_zone("Red", rectangle(-5_000, -5_000, 300, 6_000))
    layers.risk_zone("Amber", rectangle(300, -5_000, 400, 6_000))
    layers.risk_zone("Amber", rectangle(400, -5_000, 6_000, 6_000))
    layers.risk_zone("Green", rectangle(6_000, -5_000, 7_000, 6_000))
    site = rectangle(200, 0, 500, 100)

    result = assess(connection, layers, [site], [pond_at(345, 45)])

    assert habitat(result)[1, "Red"] == pytest.approx(10_000, abs=0.01)
    assert habitat(result)[1, "Amber"] == pytest.approx(20_000, abs=0.01)
    assert {zone for _, zone in habitat(result)} == {"Red", "Amber"}


def test_a_pond_takes_the_worst_colour_and_a_site_before_the_buffer(
    connection: psycopg.Connection,
) -> None:
    layers = ReferenceLayers(connection)
    layers.risk_zone("Green", rectangle(-5_000, -5_000, 500, 6_000))
    layers.risk_zone("Amber", rectangle(500, -5_000, 700, 6_000))
    layers.risk_zone("Red", rectangle(700, -5_000, 6_000, 6_000))

    result = assess(
        connection,
        layers,
        [SITE],
        [
            pond(1, pond_at(100, 100), "A"),
            pond(2, pond_at(495, 100), "A"),
            pond(3, rectangle(490, 300, 710, 310), "NS", "T"),
            pond(4, pond_at(995, 500), "P"),
            pond(5, pond_at(1_100, 500), "P"),
            pond(6, pond_at(1_100, 600), "P"),
            pond(7, pond_at(3_000, 600), "P"),
        ],
    )

    assert kinds(result) == [
        ("A", "RLB", "Amber", "F", 1),
        ("A", "RLB", "Green", "F", 1),
        ("NS", "RLB", "Red", "T", 1),
        ("P", "Buffer", "Red", "F", 2),
        ("P", "RLB", "Red", "F", 1),
    ]


def test_a_pond_is_clipped_to_the_extent_before_it_gives_habitat(
    connection: psycopg.Connection, layers: ReferenceLayers
) -> None:
    across = rectangle(1_240, 500, 3_000, 510)
    inside = rectangle(1_240, 500, 1_250, 510)

    assert habitat(assess(connection, layers, [SITE], [across])) == pytest.approx(
        habitat(assess(connection, layers, [SITE], [inside])), abs=0.01
    )


def test_a_pond_that_only_touches_the_extent_is_none_of_it(
    connection: psycopg.Connection, layers: ReferenceLayers
) -> None:
    result = assess(connection, layers, [SITE], [pond_at(1_250, 500)])

    assert (result.habitat, result.ponds, result.habitat_by_edp) == ((), (), ())
    assert result.warnings == (
        "No pond lies in the sites or within the buffer, so there is no habitat.",
    )


def test_without_a_survey_national_ponds_are_not_surveyed(
    connection: psycopg.Connection, layers: ReferenceLayers
) -> None:
    far = rectangle(3_000, 0, 3_100, 100)
    layers.pond(pond_at(500, 500))
    layers.pond(pond_at(1_100, 500))
    layers.pond(MultiPolygon([pond_at(3_200, 50), pond_at(3_220, 50)]))
    layers.pond(pond_at(2_000, 500))

    result = assess(connection, layers, [SITE, far], None)

    assert kinds(result) == [("NS", "Buffer", "Amber", "F", 2), ("NS", "RLB", "Amber", "F", 1)]
    assert result.ponds_source == "national"
    assert "gcn_ponds" in result.reference_versions
    surveyed = assess(connection, layers, [SITE], [pond_at(500, 500)])
    assert surveyed.ponds_source == "survey"
    assert set(surveyed.reference_versions) == {"gcn_risk_zones", "edp_edges"}


def test_a_national_pond_between_two_sites_is_counted_once(
    connection: psycopg.Connection, layers: ReferenceLayers
) -> None:
    layers.pond(pond_at(1_045, 500))

    result = assess(connection, layers, [SITE, rectangle(1_100, 0, 2_000, 1_000)], None)

    assert kinds(result) == [("NS", "Buffer", "Amber", "F", 1)]


def test_the_split_by_partner_names_what_lies_in_none(
    connection: psycopg.Connection, layers: ReferenceLayers
) -> None:
    layers.partner("Also west", rectangle(-5_000, -5_000, -200, 6_000))
    site = rectangle(400, 0, 600, 100)

    result = assess(
        connection,
        layers,
        [site],
        [rectangle(492, 40, 502, 50), rectangle(498, 60, 508, 70), rectangle(495, 80, 505, 90)],
    )

    by_partner = {
        one.edp_name: one.habitat_area_m2 for one in result.habitat_by_edp if one.site == 1
    }
    assert by_partner == {
        "West": pytest.approx(10_000, abs=0.01),
        None: pytest.approx(10_000, abs=0.01),
    }
    # The last pond is half in the partner's area: it shares nothing more with anyone else.
    assert [(one.edp_name, one.frequency) for one in result.ponds_by_edp] == [
        ("West", 3),
    ]


def test_a_pond_belongs_to_the_partner_with_most_of_it(
    connection: psycopg.Connection,
) -> None:
    layers = ReferenceLayers(connection)
    layers.risk_zone("Green", EVERYWHERE)
    layers.partner("B", rectangle(0, 0, 500, 1_000))
    layers.partner("A", rectangle(500, 0, 990, 1_000))

    result = assess(
        connection,
        layers,
        [SITE],
        [
            pond(1, rectangle(494, 0, 504, 10), "P"),
            pond(2, rectangle(495, 20, 505, 30), "A"),
            pond(3, rectangle(992, 40, 999, 50), "NS"),
        ],
    )

    assert {one.pans: one.edp_name for one in result.ponds_by_edp} == {
        "P": "B",
        "A": "A",
        "NS": None,
    }
    assert result.ponds_by_edp[-1].edp_name is None


def test_overlapping_layers_and_land_without_a_zone_are_said(
    connection: psycopg.Connection,
) -> None:
    layers = ReferenceLayers(connection)
    layers.risk_zone("Red", rectangle(0, 0, 110, 100))
    layers.risk_zone("Green", rectangle(100, 0, 1_000, 1_000))
    layers.partner("A", rectangle(0, 0, 200, 100))
    layers.partner("B", rectangle(100, 0, 300, 100))

    result = assess(connection, layers, [rectangle(0, 0, 100, 100)], [rectangle(-100, 0, -90, 10)])

    assert [warning.split(":")[0] for warning in result.warnings[1:]] == [
        "The risk zones overlap here",
        "The delivery partners' areas overlap here",
    ]
    assert "no risk zone" in result.warnings[0]
    assert kinds(result) == [("P", "Buffer", None, "F", 1)]


def test_a_result_does_not_depend_on_the_order_of_ponds_or_rows(
    connection: psycopg.Connection, layers: ReferenceLayers
) -> None:
    ponds = [pond_at(100 * index, 37.123456 * index, 7.77) for index in range(9)]
    reversed_layers = ReferenceLayers(connection, version=2)
    reversed_layers.partner("West", rectangle(-5_000, -5_000, 500, 6_000))
    reversed_layers.risk_zone("Amber", EVERYWHERE)

    one = assess(connection, layers, [SITE], ponds)
    other = assess(connection, layers, [SITE], ponds[::-1])
    again = assess(connection, reversed_layers, [SITE], ponds)

    assert one == other
    assert one.model_dump(exclude={"reference_versions"}) == again.model_dump(
        exclude={"reference_versions"}
    )


def test_a_large_layer_read_near_the_sites_gives_the_same(
    connection: psycopg.Connection, layers: ReferenceLayers
) -> None:
    sites, ponds = [SITE, rectangle(1_200, 0, 1_300, 100)], [pond_at(1_100, 50)]

    near = assess(connection, layers, sites, ponds, cache=LayerCache(max_held_bytes=0))

    assert near == assess(connection, layers, sites, ponds)


def test_constants_and_survey_warnings_are_in_the_result(
    connection: psycopg.Connection, layers: ReferenceLayers
) -> None:
    constants = GcnConstants(pond_buffer_m=100)
    ponds = survey([pond_at(500, 500)])
    noted = type(ponds)(ponds.ponds, ponds.source_crs, ("Something about the survey.",))

    result = assess_gcn(connection, newt_sites(SITE), noted, layers.versions, constants)

    assert result.constants.pond_buffer_m == 100
    assert result.warnings == ("Something about the survey.",)
    assert [(one.site, one.area_m2) for one in result.sites] == [(1, 1_000_000)]


@pytest.mark.parametrize("layer", ["gcn_risk_zones", "edp_edges", "gcn_ponds"])
def test_a_layer_that_is_not_pinned_is_named(
    connection: psycopg.Connection, layers: ReferenceLayers, layer: str
) -> None:
    pinned = {name: one for name, one in layers.versions.layers.items() if name != layer}

    with pytest.raises(ReferenceDataMissing, match=layer):
        assess_gcn(connection, newt_sites(SITE), None, ReferenceVersions(pinned), CONSTANTS)


@pytest.mark.parametrize("layer", ["gcn_risk_zones", "gcn_ponds"])
def test_an_empty_layer_is_not_an_answer(
    connection: psycopg.Connection, layers: ReferenceLayers, layer: str
) -> None:
    layers.pond(pond_at(500, 500))
    connection.execute(f"DELETE FROM reference.{layer}".encode())

    with pytest.raises(ReferenceDataMissing) as raised:
        assess(connection, layers, [SITE], None)
    assert raised.value.code == "reference_layer_empty"


def test_a_layer_without_its_parts_is_not_an_answer(
    connection: psycopg.Connection, layers: ReferenceLayers
) -> None:
    layers.forget_parts("gcn_risk_zones")

    with pytest.raises(ReferenceDataError) as raised:
        assess(connection, layers, [SITE], [pond_at(500, 500)])
    assert raised.value.code == "reference_layer_incomplete"


def test_a_stop_is_noticed_between_pieces_of_work(
    connection: psycopg.Connection, layers: ReferenceLayers
) -> None:
    def stop() -> None:
        raise WorkerError("stopped", "It was told to stop.")

    with pytest.raises(WorkerError, match="stopped"):
        assess_gcn(
            connection,
            newt_sites(SITE),
            survey([pond_at(0, 0)]),
            layers.versions,
            CONSTANTS,
            checkpoint=stop,
        )


def test_a_site_beside_a_zone_has_no_sliver_of_it(connection: psycopg.Connection) -> None:
    layers = ReferenceLayers(connection)
    # The loader cuts these into parts, so the line between them has points of its own in each.
    corner, end = (-3_000.05, -4_000.03), (2_999.97, 3_777.71)
    wiggles = [(4_000 + (i % 2) * 50, 3_777 - 400 * i) for i in range(20)]
    west = [(-4_000, -4_000.03), corner, end, (-4_000, 3_777.71)]
    layers.risk_zone("Red", placed(shapely.Polygon([corner, end, *wiggles])))
    layers.risk_zone("Green", placed(shapely.Polygon(west)))
    site = placed(shapely.Polygon([corner, end, (-1_000.03, 1_234.56)]))

    result = assess(connection, layers, [site], [site])

    assert [zone for place, zone in habitat(result) if place == 1] == ["Green"]
