"""Shapefiles and GeoJSON: what is read from them, and the code of each way to be wrong."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from shapely.geometry import MultiPolygon, Polygon

from tests.fakes.boundaries import (
    BRITISH_NATIONAL_GRID_PRJ,
    POINT,
    POLYGON_M,
    POLYGON_Z,
    Columns,
    Shapefile,
    bow_tie,
    circle,
    collection,
    feature,
    geojson,
    polygon,
    square,
    zipped,
)
from tests.fakes.boundary_reading import limits, read, refusal
from worker.boundary.shapefile import check_structure
from worker.errors import BoundaryError

HOLE = square(620_020, 310_020, 10)[::-1]


def document(*features: object) -> bytes:
    return json.dumps(collection(*features)).encode()


@pytest.mark.parametrize("content", [Shapefile().zipped(), geojson(polygon(square()))])
def test_both_formats_give_the_same_square(content: bytes) -> None:
    boundary = read(content)
    [only] = boundary.features
    assert only.number == 1
    assert only.geometry.equals_exact(Polygon(square()), tolerance=0)
    assert boundary.source_crs == "EPSG:27700"
    assert not boundary.has_dwellings
    assert boundary.warnings == ()


def test_features_are_numbered_in_file_order() -> None:
    squares = [square(620_000 + 200 * step) for step in range(5)]
    boundary = read(Shapefile(shapes=[[ring] for ring in squares]).zipped())
    assert [feature.number for feature in boundary.features] == [1, 2, 3, 4, 5]
    assert [feature.geometry.bounds[0] for feature in boundary.features] == [
        620_000 + 200 * step for step in range(5)
    ]


def test_holes_and_parts_are_kept() -> None:
    shapes = [[square(), HOLE, square(621_000)]]
    [only] = read(Shapefile(shapes=shapes).zipped()).features
    assert isinstance(only.geometry, MultiPolygon)
    assert only.geometry.area == pytest.approx(10_000 - 100 + 10_000)
    [same] = read(
        geojson(
            {
                "type": "MultiPolygon",
                "coordinates": [
                    polygon(square(), HOLE)["coordinates"],
                    polygon(square(621_000))["coordinates"],
                ],
            }
        )
    ).features
    assert same.geometry.equals(only.geometry)


@pytest.mark.parametrize("shape_type", [POLYGON_Z, POLYGON_M])
def test_heights_and_measures_of_shapefiles_are_dropped(shape_type: int) -> None:
    [only] = read(Shapefile(shape_type=shape_type).zipped()).features
    assert not only.geometry.has_z
    assert only.geometry.area == pytest.approx(10_000)


def test_heights_of_geojson_are_dropped() -> None:
    rings = [[[x, y, 12.5] for x, y in square()]]
    [only] = read(geojson({"type": "Polygon", "coordinates": rings})).features
    assert not only.geometry.has_z


def test_a_bare_geometry_and_a_bare_feature_are_boundaries() -> None:
    for thing in (polygon(square()), feature(polygon(square()))):
        thing["crs"] = {"type": "name", "properties": {"name": "EPSG:27700"}}
        assert len(read(json.dumps(thing).encode()).features) == 1


def test_a_byte_order_mark_is_not_content() -> None:
    assert len(read(b"\xef\xbb\xbf" + geojson(polygon(square()))).features) == 1


def test_files_that_fiona_writes_are_read(tmp_path: Path) -> None:
    import fiona

    schema = {"geometry": "3D Polygon", "properties": {"Dwellings": "int", "Name": "str:40"}}
    with fiona.open(
        tmp_path / "site.shp",
        "w",
        driver="ESRI Shapefile",
        crs="EPSG:27700",
        schema=schema,
        encoding="UTF-8",
    ) as sink:
        ring = [(x, y, 3.0) for x, y in square()]
        sink.write(
            {
                "type": "Feature",
                "geometry": {"type": "Polygon", "coordinates": [ring]},
                "properties": {"Dwellings": 7, "Name": "Tŷ Newydd"},
            }
        )
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    [only] = read(zipped(files)).features
    assert (only.dwellings, only.name) == (7, "Tŷ Newydd")
    assert only.geometry.area == pytest.approx(10_000)


def test_the_five_attributes_are_read_from_both_formats() -> None:
    columns: Columns = {
        "Dwellings": ("N", 9, [11]),
        "id": ("C", 20, ["24/00119/F"]),
        "Name": ("C", 40, ["Smee Lane"]),
        "Dwel_Cat": ("C", 20, ["in-system"]),
        "Source": ("C", 20, ["plan"]),
        "Other": ("C", 20, ["ignored"]),
    }
    values = {name: rows[0] for name, (_, _, rows) in columns.items()}
    for content in (
        Shapefile(columns=columns).zipped(),
        document(feature(polygon(square()), **values)),
    ):
        boundary = read(content)
        [only] = boundary.features
        assert boundary.has_dwellings
        assert (only.dwellings, only.id, only.name, only.dwelling_category, only.source) == (
            11,
            "24/00119/F",
            "Smee Lane",
            "in-system",
            "plan",
        )


@pytest.mark.parametrize("name", ["DWELLINGS", "dwellings", "Dwellings"])
def test_attribute_names_match_in_any_case(name: str) -> None:
    [only] = read(Shapefile(columns={name: ("N", 9, [3])}).zipped()).features
    assert only.dwellings == 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [(11, 11), (11.0, 11), ("11", 11), (" 11.00 ", 11), (0, 0), (None, None), ("", None)],
)
def test_whole_numbers_of_dwellings_are_read(value: object, expected: int | None) -> None:
    [only] = read(document(feature(polygon(square()), Dwellings=value))).features
    assert only.dwellings == expected


def test_a_whole_number_in_a_column_with_decimals_is_read() -> None:
    [only] = read(Shapefile(columns={"Dwellings": ("F", 12, ["11.00"])}).zipped()).features
    assert only.dwellings == 11


@pytest.mark.parametrize("value", [-1, 1.5, "eleven", "1.5", True, [3], {}, 1_000_000, 1e300])
def test_other_numbers_of_dwellings_are_refused(value: object) -> None:
    error = refusal(
        document(
            feature(polygon(square()), Dwellings=1),
            feature(polygon(square(621_000)), Dwellings=value),
        )
    )
    assert error.code == "dwellings_invalid"
    assert "Feature 2" in error.sentence


def test_text_is_made_fit_for_one_line() -> None:
    values = {"Name": "a\r\nb\u2028c\x00", "id": 12.0, "Source": "x" * 400, "Dwel_Cat": True}
    [only] = read(document(feature(polygon(square()), **values))).features
    assert (only.name, only.id, only.dwelling_category) == ("a b c", "12", None)
    assert only.source == "x" * 254


def test_half_a_character_is_not_passed_on() -> None:
    # JSON may escape one half of a surrogate pair; neither PostgreSQL nor an e-mail takes it.
    [only] = read(document(feature(polygon(square()), Name="a\ud800b", id="\udfff"))).features
    assert (only.name, only.id) == ("a b", None)


@pytest.mark.parametrize(
    ("cpg", "encoding"),
    [
        ("UTF-8", "utf-8"),
        ("\ufeffutf8\r\n", "utf-8"),
        ("65001", "utf-8"),
        (None, "utf-8"),
        ("1252", "cp1252"),
        ("ANSI 1252", "cp1252"),
        ("CP1252", "cp1252"),
        ("ISO-8859-1", "iso8859-1"),
        ("88591", "iso8859-1"),
        ("850", "cp850"),
        ("LATIN1", "iso8859-1"),
        ("28591", "iso8859-1"),
    ],
)
def test_text_is_decoded_as_the_cpg_says(cpg: str | None, encoding: str) -> None:
    columns = {"Name": ("C", 20, ["Café Å"])}
    [only] = read(Shapefile(columns=columns, cpg=cpg, encoding=encoding).zipped()).features
    assert only.name == "Café Å"


@pytest.mark.parametrize("cpg", ["UTF-8", None])
def test_text_that_contradicts_the_cpg_is_refused_by_column(cpg: str | None) -> None:
    columns = {"Name": ("C", 20, ["Café"])}
    error = refusal(Shapefile(columns=columns, cpg=cpg, encoding="cp1252").zipped())
    assert error.code == "boundary_unreadable"
    assert "Name" in error.sentence and ".cpg" in error.sentence


@pytest.mark.parametrize(
    ("driver", "encoding"), [(0x57, "cp1252"), (0x03, "cp1252"), (0x02, "cp850"), (0x00, "utf-8")]
)
def test_without_a_cpg_text_is_decoded_as_the_table_says(driver: int, encoding: str) -> None:
    columns = {"Name": ("C", 20, ["Café Å"])}
    for cpg, written in ((None, encoding), ("", encoding), ("UTF-8", "utf-8")):
        shapefile = Shapefile(columns=columns, cpg=cpg, encoding=written)
        table = bytearray(shapefile.parts()[".dbf"])
        table[29] = driver
        [only] = read(shapefile.zipped(dbf=bytes(table))).features
        assert only.name == "Café Å"


def test_columns_that_are_not_read_may_be_undecodable() -> None:
    columns: Columns = {"Note": ("C", 20, ["Café"]), "Dwellings": ("N", 5, [4])}
    [only] = read(Shapefile(columns=columns, encoding="cp1252").zipped()).features
    assert only.dwellings == 4
    assert only.geometry.equals_exact(Polygon(square()), tolerance=0)


@pytest.mark.parametrize("cpg", ["klingon", "rot13", "99999", "zip", "unicode_escape"])
def test_an_unknown_character_set_is_refused(cpg: str) -> None:
    columns: Columns = {"Name": ("C", 20, ["Café"])}
    error = refusal(Shapefile(columns=columns, cpg=cpg).zipped())
    assert error.code == "boundary_unreadable"
    assert ".cpg" in error.sentence and "Name" in error.sentence


@pytest.mark.parametrize("cpg", ["é", "<OGRVRTDataSource/>", "/vsicurl/http://a.example", "x" * 32])
def test_what_names_no_character_set_is_refused_at_any_rate(cpg: str) -> None:
    error = refusal(Shapefile(cpg=cpg).zipped())
    assert error.code == "boundary_unreadable"
    assert ".cpg" in error.sentence


@pytest.mark.parametrize("cpg", ["klingon", "99999", "ASCII", "US-ASCII", "LDID/87"])
def test_a_character_set_that_no_value_needs_refuses_nothing(cpg: str) -> None:
    columns: Columns = {
        "Name": ("C", 20, ["Mill Lane"]),
        "Note": ("C", 20, ["Café"]),
        "Dwellings": ("N", 5, [4]),
    }
    [only] = read(Shapefile(columns=columns, cpg=cpg).zipped()).features
    assert (only.name, only.dwellings) == ("Mill Lane", 4)


def test_text_that_is_called_ascii_and_is_not_is_refused() -> None:
    columns: Columns = {"Name": ("C", 20, ["Café"])}
    error = refusal(Shapefile(columns=columns, cpg="US-ASCII").zipped())
    assert error.code == "boundary_unreadable"
    assert "not ASCII" in error.sentence


def test_a_null_geometry_is_an_error_in_both_formats() -> None:
    for content in (
        Shapefile(shapes=[[square()], None]).zipped(),
        document(feature(polygon(square())), feature(None)),
    ):
        error = refusal(content)
        assert error.code == "geometry_null"
        assert "Feature 2" in error.sentence


@pytest.mark.parametrize(
    "content",
    [
        Shapefile(shapes=[]).zipped(),
        Shapefile(shapes=[[]]).zipped(),
        document(),
        geojson({"type": "Polygon", "coordinates": []}),
        geojson({"type": "Polygon", "coordinates": [[]]}),
        geojson({"type": "MultiPolygon", "coordinates": []}),
        geojson({"type": "MultiPolygon", "coordinates": [[]]}),
    ],
)
def test_nothing_drawn_is_an_error(content: bytes) -> None:
    assert refusal(content).code == "geometry_empty"


@pytest.mark.parametrize(
    "content",
    [
        Shapefile(shape_type=POINT).zipped(),
        geojson({"type": "Point", "coordinates": [620_000, 310_000]}),
        geojson({"type": "LineString", "coordinates": [[620_000, 310_000], [620_001, 310_000]]}),
        geojson({"type": "GeometryCollection", "geometries": [polygon(square())]}),
        geojson({"type": "Curve\r\nInjected", "coordinates": []}),
        geojson("POLYGON EMPTY"),
    ],
)
def test_points_lines_and_collections_are_not_boundaries(content: bytes) -> None:
    error = refusal(content)
    assert error.code == "not_polygonal"
    assert "\n" not in error.sentence


@pytest.mark.parametrize(
    "content",
    [Shapefile(shapes=[[bow_tie()]]).zipped(), geojson(polygon(bow_tie()))],
)
def test_a_self_intersection_is_refused_with_its_place(content: bytes) -> None:
    error = refusal(content)
    assert error.code == "geometry_invalid"
    assert "self-intersection at 620050, 310050" in error.sentence


@pytest.mark.parametrize(
    "rings",
    [
        [square()[:4]],
        [square()[:2]],
        [[(620_000.0, 310_000.0)] * 4],
        [square(), square(621_000, side=10)],
        [square(), square()],
    ],
    ids=["not closed", "two points", "no area", "hole outside", "hole as large"],
)
def test_other_invalid_polygons_are_refused(rings: list[list[tuple[float, float]]]) -> None:
    assert refusal(geojson(polygon(*rings))).code == "geometry_invalid"


def test_an_unclosed_ring_of_a_shapefile_is_not_closed_silently() -> None:
    error = refusal(Shapefile(shapes=[[square()[:4]]]).zipped())
    assert error.code == "geometry_invalid"
    assert "closed" in error.sentence


@pytest.mark.parametrize(
    "rings",
    [
        [square(), square()[:2]],
        [square(), square()[:1]],
        [square(), HOLE[:4]],
        [square(), square()],
        [square(), HOLE, HOLE],
        [square(), HOLE[::-1]],
        [square(), square(620_050)],
    ],
    ids=["line", "point", "open hole", "twice", "hole twice", "hole turned", "overlap"],
)
def test_rings_of_shapefiles_are_neither_dropped_nor_mended(
    rings: list[list[tuple[float, float]]],
) -> None:
    assert refusal(Shapefile(shapes=[rings]).zipped()).code == "geometry_invalid"


def test_a_deleted_row_is_no_feature() -> None:
    columns: Columns = {"Name": ("C", 5, ["a", "b"])}
    shapefile = Shapefile(shapes=[[square()], [square(621_000)]], columns=columns)
    table = bytearray(shapefile.parts()[".dbf"])
    # After the header of one column each row begins with its deletion mark.
    table[65] = ord("*")
    [only] = read(shapefile.zipped(dbf=bytes(table))).features
    assert (only.number, only.name) == (1, "b")


@pytest.mark.parametrize(
    "coordinates",
    [
        [[1, 2], [3, 4]],
        [[[["x"]]]],
        "abc",
        {"a": 1},
        [[[620_000]]],
        [[[620_000, None]] * 5],
        [[[620_000, "310000"]] * 5],
        [[[True, False]] * 5],
        [[[620_000, 310_000, 1, 2, 3]] * 5],
        5,
        None,
    ],
)
def test_coordinates_of_another_nesting_or_type_are_refused(coordinates: object) -> None:
    assert refusal(geojson({"type": "Polygon", "coordinates": coordinates})).code == (
        "geometry_invalid"
    )


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" * 400])
def test_infinite_coordinates_of_geojson_are_refused(number: str) -> None:
    content = geojson(polygon(square())).replace(b"620100.0", number.encode())
    assert refusal(content).code == "coordinates_out_of_range"


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
def test_literals_that_json_does_not_have_are_refused(literal: str) -> None:
    error = refusal(geojson(polygon(square())).replace(b"620100.0", literal.encode()))
    assert error.code == "boundary_unreadable"
    assert literal in error.sentence


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), 1.7e308])
def test_coordinates_of_shapefiles_have_to_be_finite_and_british(number: float) -> None:
    ring = list(square())
    ring[2] = (number, 310_100.0)
    assert refusal(Shapefile(shapes=[[ring]]).zipped()).code == "coordinates_out_of_range"


@pytest.mark.parametrize(
    "content",
    [Shapefile(shapes=[[circle(2_000)]]).zipped(), geojson(polygon(circle(2_000)))],
)
def test_vertices_are_limited(content: bytes) -> None:
    assert len(read(content, under=limits(max_vertices=2_001)).features) == 1
    error = refusal(content, under=limits(max_vertices=2_000))
    assert error.code == "too_many_vertices"
    assert "2,000" in error.sentence


def test_vertices_are_counted_over_all_features() -> None:
    squares = [square(620_000 + 200 * step) for step in range(10)]
    for content in (
        Shapefile(shapes=[[ring] for ring in squares]).zipped(),
        geojson(*map(polygon, squares)),
    ):
        assert refusal(content, under=limits(max_vertices=49)).code == "too_many_vertices"
        assert len(read(content, under=limits(max_vertices=50)).features) == 10


def test_features_are_limited() -> None:
    squares = [square(620_000 + 200 * step) for step in range(4)]
    for content in (
        Shapefile(shapes=[[ring] for ring in squares]).zipped(),
        geojson(*map(polygon, squares)),
    ):
        assert len(read(content, under=limits(max_features=4)).features) == 4
        assert refusal(content, under=limits(max_features=3)).code == "too_large"


def test_a_file_over_the_size_limit_is_too_large() -> None:
    content = geojson(polygon(square()))
    under = limits(max_bytes=len(content) - 1)
    assert refusal(content, under=under).code == "too_large"
    assert len(read(content, under=limits(max_bytes=len(content))).features) == 1


def test_features_are_together_no_larger_than_an_area() -> None:
    # 100 ha each.
    rings = [square(600_000.0 + east, side=1_000.0) for east in (0, 500)]
    for content in (geojson(*map(polygon, rings)), Shapefile([[ring] for ring in rings]).zipped()):
        assert len(read(content, under=limits(max_area_ha=200)).features) == 2
        error = refusal(content, under=limits(max_area_ha=199.9))
        assert error.code == "too_large"
        assert "199.9 hectares" in error.sentence


def test_an_archive_over_the_size_limit_is_too_large() -> None:
    content = Shapefile().zipped()
    assert refusal(content, under=limits(max_bytes=len(content) - 1)).code == "too_large"


def test_vertices_of_a_shapefile_are_counted_before_gdal_opens_it(tmp_path: Path) -> None:
    for suffix, content in Shapefile(shapes=[[circle(2_000)]]).parts().items():
        (tmp_path / f"boundary{suffix}").write_bytes(content)
    with pytest.raises(BoundaryError) as caught:
        check_structure(tmp_path / "boundary.shp", limits(max_vertices=2_000))
    assert caught.value.code == "too_many_vertices"


def test_vertices_of_geojson_are_counted_before_it_is_parsed() -> None:
    unfinished = b'{"type": "Polygon", "coordinates": [[' + b"[1,2]," * 300
    under = limits(max_vertices=100, max_features=10)
    assert refusal(unfinished, under=under).code == "too_many_vertices"


def test_a_zipped_geojson_over_the_size_limit_is_too_large() -> None:
    content = geojson(polygon(square())) + b" " * 50_000
    assert refusal(zipped({"a.json": content}), under=limits(max_bytes=40_000)).code == "too_large"


@pytest.mark.parametrize(
    ("content", "name", "told"),
    [
        (b"", "site.geojson", "empty"),
        (b"   \n", "site.geojson", "empty"),
        (b"just text", "site.geojson", "another kind"),
        (b"AC1027 drawing", "plan.dwg", ".dwg"),
        (b"\x1f\x8b\x08 gzip", "site.tar.gz", ".gz"),
        (b"[1, 2]", "site.json", "another kind"),
        (b"AC1027 drawing", "plan.<script>", "another kind"),
    ],
)
def test_other_files_are_named_for_what_they_are(content: bytes, name: str, told: str) -> None:
    error = refusal(content, name=name)
    assert error.code == "not_a_boundary_file"
    assert told in error.sentence


@pytest.mark.parametrize(
    "content",
    [
        b'{"name": "package"}',
        b'{"type": "Topology", "objects": {}}',
        b'{"type": "FeatureCollection"}',
        b'{"type": "FeatureCollection", "features": {}}',
        b'{"type": "FeatureCollection", "features": [1]}',
        b'{"type": "FeatureCollection", "features": [{"type": "Polygon"}]}',
        b'{"type": ["Polygon"]}',
        b'{"geometryType": "esriGeometryPolygon", "features": []}',
    ],
)
def test_json_that_is_not_geojson_is_not_a_boundary(content: bytes) -> None:
    assert refusal(content).code == "not_a_boundary_file"


@pytest.mark.parametrize(
    "content",
    [
        b'{"type": "FeatureCollection", ',
        b'{"type": "FeatureCollection"} trailing',
        geojson(polygon(square())).replace(b"620100.0", b"1" * 5000),
        geojson(polygon(square())) + b"\xff",
        b'{"type": "Polygon", "coordinates": ' + b"[" * 50_000,
        b'{"a":' * 50_000,
    ],
    ids=["cut", "trailing", "long number", "not utf-8", "deep lists", "deep objects"],
)
def test_damaged_json_is_unreadable(content: bytes) -> None:
    assert refusal(content).code == "boundary_unreadable"


@pytest.mark.parametrize(
    ("once", "twice"),
    [
        (b'"Dwellings": 5', b'"Dwellings": 50, "Dwellings": 5'),
        (b'"Dwellings": 5', b'"Dwellings": 5, "note": {"a": 1, "a": 1}'),
        (b'"features": [', b'"features": [], "features": ['),
        (b'"crs": {', b'"crs": {"type": "name", "properties": {"name": "EPSG:4326"}}, "crs": {'),
        (b'"coordinates": [', b'"coordinates": [], "coordinates": ['),
    ],
)
def test_a_key_that_stands_twice_is_not_decided_by_its_place(once: bytes, twice: bytes) -> None:
    content = document(feature(polygon(square()), Dwellings=5))
    assert content.count(once) == 1
    error = refusal(content.replace(once, twice))
    assert error.code == "boundary_unreadable"
    assert "twice" in error.sentence


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"dwellings": 50, "DWELLINGS": 5}, "Dwellings"),
        ({"Dwellings": 5, "dwellings": 50}, "Dwellings"),
        ({"dwellings": None, "DWELLINGS": 5}, "Dwellings"),
        ({"id": "24/1", "ID": "24/2"}, "id"),
    ],
)
def test_an_attribute_that_stands_twice_in_two_cases_is_refused(
    values: dict[str, object], named: str
) -> None:
    sites = feature(polygon(square()), Dwellings=1), feature(polygon(square(621_000)), **values)
    error = refusal(document(*sites))
    assert error.code == "boundary_unreadable"
    assert "Feature 2" in error.sentence and f"attribute {named}" in error.sentence


def test_attributes_that_nobody_reads_may_differ_in_case_only() -> None:
    [only] = read(document(feature(polygon(square()), note="a", NOTE="b", Dwellings=4))).features
    assert only.dwellings == 4


@pytest.mark.parametrize("part", [".shp", ".shx", ".dbf"])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.95])
def test_a_truncated_part_is_unreadable(part: str, share: float) -> None:
    shapefile = Shapefile(
        shapes=[[square(620_000 + 200 * step)] for step in range(20)],
        columns={"Name": ("C", 20, ["x"] * 20)},
    )
    content = shapefile.parts()[part]
    error = refusal(shapefile.zipped(**{part[1:]: content[: int(len(content) * share)]}))
    assert error.code == "boundary_unreadable"
    assert part in error.sentence


def test_parts_of_different_shapefiles_are_unreadable_together() -> None:
    one, two = Shapefile(), Shapefile(shapes=[[square()], [square(621_000)]])
    assert refusal(one.zipped(dbf=two.parts()[".dbf"])).code == "boundary_unreadable"
    assert refusal(one.zipped(shx=two.parts()[".shx"])).code == "boundary_unreadable"


@pytest.mark.parametrize("position", [104, 108, 144, 148])
def test_a_damaged_record_is_unreadable_and_not_a_null_geometry(position: int) -> None:
    shapefile = Shapefile()
    content = bytearray(shapefile.parts()[".shp"])
    content[position : position + 4] = b"\x7f\x7f\x7f\x7f"
    assert refusal(shapefile.zipped(shp=bytes(content))).code == "boundary_unreadable"


@pytest.mark.parametrize("starts", [(1, 5), (5, 0), (0, 0), (0, 10), (0, -1)])
def test_rings_that_do_not_start_in_order_are_not_put_in_order(starts: tuple[int, int]) -> None:
    shapefile = Shapefile(shapes=[[square(), HOLE]])
    content = bytearray(shapefile.parts()[".shp"])
    struct.pack_into("<2i", content, 152, *starts)
    assert refusal(shapefile.zipped(shp=bytes(content))).code == "boundary_unreadable"


def test_a_bare_part_of_a_shapefile_is_incomplete() -> None:
    error = refusal(Shapefile().parts()[".shp"], name="site.shp")
    assert error.code == "shapefile_incomplete"
    assert "ZIP" in error.sentence


def test_the_usual_prj_is_recognised_with_space_around_it() -> None:
    assert len(read(Shapefile(prj=f"\ufeff{BRITISH_NATIONAL_GRID_PRJ}\n").zipped()).features) == 1
