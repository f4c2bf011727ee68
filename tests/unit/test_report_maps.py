"""Maps: readable without colour, well-formed whatever names say, and small."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.nutrient_results import IN_SCOPE
from worker.boundary.model import Site
from worker.reports import nutrient_map
from worker.reports.map_data import NamedArea, NutrientSurroundings
from worker.reports.map_frame import HEIGHT_PX, WIDTH_PX, Frame, length
from worker.reports.map_labels import Label, placed, places_in
from worker.reports.map_svg import Drawing, Fill, Line, MapLayer, draw
from worker.reports.nutrient_map import overview_map, site_map

SVG = "{http://www.w3.org/2000/svg}"
SITE = Site(1, shapely.box(600_000, 300_000, 600_200, 300_100), 25, name="Mill Lane")
FRAME = Frame.around([SITE.geometry])


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def texts(svg: str) -> list[str]:
    return [one.text or "" for one in parsed(svg).iter(f"{SVG}text")]


def cells(*uses: str) -> tuple[NamedArea, ...]:
    """A cell of 20 m for each use, side by side from the west of the site."""
    return tuple(
        NamedArea(use, shapely.box(600_000 + 20 * n, 300_000, 600_020 + 20 * n, 300_100))
        for n, use in enumerate(uses)
    )


def around(cells_: tuple[NamedArea, ...] | None = ()) -> NutrientSurroundings:
    return NutrientSurroundings(
        catchments=(NamedArea("The Broads SAC", FRAME.box.buffer(100)),),
        works=(NamedArea("1061", FRAME.box.buffer(50)),),
        cells=cells_,
    )


def test_a_map_has_boundary_scale_bar_north_arrow_and_a_legend_of_what_is_drawn() -> None:
    shown = texts(site_map(SITE, IN_SCOPE, around(cells("Dairy", "Urban")), FRAME).svg)

    assert {"N", "0", "50 m", "Site boundary", "The Broads SAC", "works 1061"} <= set(shown)
    assert {"Land use: Dairy", "Land use: Urban", "Nutrient neutrality catchment"} <= set(shown)
    assert "Other land use" not in shown


def test_layers_are_told_apart_without_colour() -> None:
    uses = tuple(f"Use {n}" for n in range(10))
    svg = parsed(site_map(SITE, IN_SCOPE, around(cells(*uses)), FRAME).svg)

    patterns = [path.get("d") for path in svg.iterfind(f".//{SVG}pattern/{SVG}path")]
    assert len(set(patterns)) == len(patterns) == 8
    drawn = [text.text for text in svg.iter(f"{SVG}text")]
    assert "Other land use" in drawn
    styles = {
        (one.get("stroke-width"), one.get("stroke-dasharray"))
        for one in svg.iter(f"{SVG}rect")
        if one.get("width") == "32"
    }
    assert len(styles) == 4


def test_words_say_where_the_site_is_and_what_is_on_it() -> None:
    picture = site_map(SITE, IN_SCOPE, around(cells("Dairy", "Urban", "Urban")), FRAME)

    for fact in (
        "200 m from west to east",
        "easting 600,100, northing 300,050",
        "It lies in The Broads SAC",
        "Land use on the site, most first: Urban, Dairy.",
    ):
        assert fact in picture.alternative
    described = parsed(picture.svg)
    assert described.get("role") == "img"
    assert described.findtext(f"{SVG}desc") == picture.alternative


def test_hostile_names_stay_text() -> None:
    name = "</text><script>alert(1)</script> & \"' ]]> \x00"
    surroundings = NutrientSurroundings((NamedArea(name, FRAME.box),), (), cells(name, "Dairy"))
    svg = site_map(SITE, IN_SCOPE, surroundings, FRAME).svg

    assert not list(parsed(svg).iter(f"{SVG}script"))
    assert any(text.startswith("Land use: </text><script>") for text in texts(svg))


def test_identifiers_of_two_maps_on_a_page_differ() -> None:
    other = Site(2, SITE.geometry, 1)
    first, second = (
        site_map(site, IN_SCOPE, around(cells("Dairy")), FRAME).svg for site in (SITE, other)
    )
    ids = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_cells_that_are_too_many_are_left_out_and_the_caption_says_so() -> None:
    picture = site_map(SITE, IN_SCOPE, around(None), FRAME)

    assert "Land-use cells are not drawn: there are more than 1,500" in picture.caption
    assert not [text for text in texts(picture.svg) if text.startswith("Land use")]


def test_a_drawing_that_is_too_large_is_made_without_cells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nutrient_map, "MAX_SVG_BYTES", 2_000)
    picture = site_map(SITE, IN_SCOPE, around(cells("Dairy")), FRAME)

    assert "too detailed for this scale" in picture.caption
    assert "Land use: Dairy" not in texts(picture.svg)


def test_a_map_without_any_layer_says_that_there_is_none() -> None:
    picture = site_map(SITE, IN_SCOPE, NutrientSurroundings((), (), ()), FRAME)

    assert "No nutrient neutrality catchment" in picture.caption


def test_detail_below_the_drawings_resolution_costs_nothing() -> None:
    angles = np.linspace(0, 2 * np.pi, 200_000, endpoint=False)
    circle = np.c_[600_100 + 5_000 * np.cos(angles), 300_050 + 5_000 * np.sin(angles)]
    large = Site(1, shapely.Polygon(circle), 1)
    frame = Frame.around([large.geometry])

    picture = site_map(large, IN_SCOPE, NutrientSurroundings((), (), None), frame)

    assert len(picture.svg) < 10_000


def test_sites_too_small_to_see_are_still_on_the_overview() -> None:
    far = Site(2, shapely.box(690_000, 300_000, 690_010, 300_010), 1)
    frame = Frame.around([SITE.geometry, far.geometry])

    picture = overview_map((SITE, far), around(), frame)

    boundary = list(parsed(picture.svg).iterfind(f".//{SVG}g/{SVG}path"))[-1]
    assert (boundary.get("d") or "").count("M") == 2
    assert {"1", "2"} <= set(texts(picture.svg))
    assert picture.alternative.startswith("Map of 2 sites over The Broads SAC.")


@given(st.floats(300, 700_000))
def test_the_scale_bar_has_a_round_length_that_fits(width: float) -> None:
    frame = Frame(0, 0, width, width * HEIGHT_PX / WIDTH_PX)
    bar = frame.scale_bar_m()

    assert re.fullmatch(r"[125]0*(\.0)?e?\+?\d*", f"{bar:g}")
    assert 0.1 < bar / width <= 0.28
    assert length(bar).endswith(("km", " m"))


@given(st.lists(st.tuples(st.floats(0, 720), st.floats(0, 440)), max_size=40))
def test_labels_never_cover_each_other_or_leave_the_map(points: list[tuple[float, float]]) -> None:
    frame = Frame(0, 0, WIDTH_PX, HEIGHT_PX)
    labels = [Label("name", (shapely.Point(point),)) for point in points]

    shown = list(placed(labels, frame, ()))

    boxes = [shapely.box(one.x - 16, one.y - 9, one.x + 16, one.y + 9) for one in shown]
    assert all(frame.box.contains(box) for box in boxes)
    assert not any(one.intersects(other) for n, one in enumerate(boxes) for other in boxes[n + 1 :])


def test_a_label_moves_off_the_boundary() -> None:
    frame = Frame(0, 0, WIDTH_PX, HEIGHT_PX)
    wall = shapely.box(300, -50, 420, 500)

    (shown,) = placed([Label("name", places_in(frame.box, frame))], frame, [wall])

    assert not wall.boundary.intersects(shapely.box(shown.x - 16, 0, shown.x + 16, 440))


def test_layers_without_geometry_are_not_in_the_legend() -> None:
    drawing = Drawing(
        frame=FRAME,
        layers=(MapLayer("Nothing", (), Fill.DOTS, Line(1)),),
        boundary=MapLayer("Boundary", (SITE.geometry,), Fill.NONE, Line(3)),
        title="Map",
        alternative="Map",
        prefix="x",
    )
    assert "Nothing" not in texts(draw(drawing))
