"""What holds for every newt assessment, whatever its sites, ponds and layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.newt_world import CONSTANTS, survey, zones
from tests.fakes.nutrient_world import placed, rectangle
from worker.assessments.gcn_extent import (
    Extent,
    Ponds,
    clipped_layer,
    clipped_ponds,
    extent_of,
    surveyed,
)
from worker.assessments.gcn_measures import (
    HabitatPieces,
    Partners,
    Zones,
    frequencies,
    frequencies_by_partner,
    habitat,
    habitat_by_partner,
    habitat_pieces,
    judged,
    partners_of,
)
from worker.assessments.gcn_result import Habitat
from worker.assessments.overlay import Layer
from worker.boundary.grid import Grid
from worker.boundary.model import Area

GRID = Grid(CONSTANTS.grid_m)
# Snapping moves an edge of some kilometres by up to half a tenth of a millimetre.
SLIVERS_M2 = 1.0

COLOURS = zones(
    Red=rectangle(-5_000, -5_000, 333.3333, 6_000),
    Amber=rectangle(333.3333, -5_000, 6_000, 444.4444),
    Green=rectangle(333.3333, 444.4444, 6_000, 6_000),
)
WEST, EAST = rectangle(-5_000, -5_000, 210.12345, 6_000), rectangle(210.12345, -5_000, 700, 6_000)
PARTNERS = Layer(["West", "East"], np.array([WEST, EAST], dtype=object))

distances = st.floats(-100, 1_000, allow_nan=False)
few = settings(max_examples=60, deadline=None)


@st.composite
def outlines(draw: st.DrawFn, largest_m: float) -> Area:
    """A convex shape around somewhere in a square kilometre."""
    x, y = draw(distances), draw(distances)
    corners = draw(
        st.lists(
            st.tuples(st.floats(0, largest_m), st.floats(0, largest_m)), min_size=3, max_size=8
        )
    )
    hull = shapely.convex_hull(shapely.multipoints([(x + east, y + n) for east, n in corners]))
    shape = hull if hull.area > 1 else shapely.box(x, y, x + largest_m / 2, y + largest_m / 2)
    return placed(shape)


sites = st.lists(outlines(400), min_size=1, max_size=4)
ponds = st.lists(outlines(60), max_size=6)


def seen(outlines_: Sequence[Area], shapes: Sequence[Area]) -> tuple[Extent, Ponds]:
    extent = extent_of(outlines_, CONSTANTS, GRID)
    return extent, clipped_ponds(surveyed(survey(shapes)), extent, GRID)


def found(extent: Extent, clipped: Ponds) -> tuple[HabitatPieces, ...]:
    pond_zone = GRID.buffer(
        clipped.shapes, CONSTANTS.pond_buffer_m, CONSTANTS.segments_per_quadrant
    )
    return habitat_pieces(extent, colours(extent), pond_zone, GRID)


def colours(extent: Extent) -> Zones:
    return clipped_layer(COLOURS, extent, GRID)


def partners(extent: Extent) -> Partners:
    return clipped_layer(PARTNERS, extent, GRID)


def areas(pieces: Sequence[HabitatPieces]) -> dict[tuple[int, int], float]:
    return {
        (one.zone, place): area
        for one in pieces
        for place, area in enumerate(shapely.area(one.shapes).tolist())
    }


def by_place(rows: Sequence[Habitat]) -> dict[tuple[int | None, str], float]:
    total: dict[tuple[int | None, str], float] = {}
    for row in rows:
        place = (row.site, row.risk_zone)
        total[place] = total.get(place, 0.0) + row.habitat_area_m2
    return total


@few
@given(sites)
def test_buffer_and_sites_do_not_overlap_and_are_the_whole(outlines_: list[Area]) -> None:
    extent = extent_of(outlines_, CONSTANTS, GRID)

    assert shapely.intersection(extent.buffer, extent.joined).area < 1e-6
    assert abs(extent.buffer.area + extent.joined.area - extent.whole.area) < 1e-3
    for site in extent.sites:
        assert site.area > 0
        assert shapely.difference(site, extent.joined).area < SLIVERS_M2


@few
@given(sites, ponds)
def test_the_split_by_partner_sums_to_the_whole(outlines_: list[Area], shapes: list[Area]) -> None:
    extent, clipped = seen(outlines_, shapes)
    pieces = found(extent, clipped)
    numbers = tuple(range(1, len(outlines_) + 1))

    whole = by_place(habitat(pieces, numbers, GRID))
    split = by_place(habitat_by_partner(pieces, numbers, partners(extent), GRID))

    for place in whole | split:
        assert abs(whole.get(place, 0.0) - split.get(place, 0.0)) < SLIVERS_M2
    known = judged(clipped, extent, colours(extent))
    owners = partners_of(clipped, partners(extent))
    counted = frequencies_by_partner(known, owners)
    assert sum(one.frequency for one in counted) == len(clipped.shapes)
    assert sum(one.frequency for one in frequencies(known)) == len(clipped.shapes)


@few
@given(sites, ponds, ponds)
def test_more_ponds_never_mean_less_habitat(
    outlines_: list[Area], some: list[Area], more: list[Area]
) -> None:
    extent, fewer_ponds = seen(outlines_, some)
    _, all_ponds = seen(outlines_, [*some, *more])

    fewer, all_habitat = areas(found(extent, fewer_ponds)), areas(found(extent, all_ponds))

    assert all(all_habitat[place] >= area - SLIVERS_M2 for place, area in fewer.items())


@few
@given(sites, ponds)
def test_habitat_is_no_more_than_the_land_and_the_reach_of_the_ponds(
    outlines_: list[Area], shapes: list[Area]
) -> None:
    extent, clipped = seen(outlines_, shapes)
    measured = areas(found(extent, clipped))

    for place, part in enumerate(extent.parts):
        total = sum(area for (_, where), area in measured.items() if where == place)
        assert total <= part.area + SLIVERS_M2
        if not len(clipped.shapes):
            assert total == 0


@few
@given(sites, ponds)
def test_the_order_of_sites_and_ponds_changes_no_digit(
    outlines_: list[Area], shapes: list[Area]
) -> None:
    one_extent, one_ponds = seen(outlines_, shapes)
    other_extent, other_ponds = seen(outlines_[::-1], shapes[::-1])

    one = areas(found(one_extent, one_ponds))
    other = areas(found(other_extent, other_ponds))

    last = len(outlines_)
    turned = {
        (zone, place if place == last else last - 1 - place): area
        for (zone, place), area in other.items()
    }
    assert one == turned
