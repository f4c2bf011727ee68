"""Shapefiles' records: none is lost, read twice or given another's attributes; no hole is land."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from pathlib import Path

import fiona
import pytest

from tests.fakes.boundaries import Columns, Ring, Shapefile, bow_tie, circle, square, zipped
from tests.fakes.boundary_reading import read, refusal

HEADER_BYTES, RECORD_HEAD_BYTES = 100, 8
NAMES: Columns = {"Name": ("C", 1, ["a", "b", "c"])}
THREE = Shapefile(shapes=[[square(620_000 + 1_000 * step)] for step in range(3)], columns=NAMES)
TWO = Shapefile(shapes=THREE.shapes[:2], columns={"Name": ("C", 1, ["a", "b"])})
HOLE = square(620_020, 310_020, 10)[::-1]


def bodies(shapefile: Shapefile) -> list[bytes]:
    """What follows the head of each record."""
    content = shapefile.parts()[".shp"]
    starts = ((at + RECORD_HEAD_BYTES, long) for at, long in places_of(shapefile))
    return [content[start : start + long] for start, long in starts]


def shp(pieces: Sequence[tuple[int, bytes] | bytes]) -> bytes:
    """A .shp of records with their numbers, and of bytes that belong to none."""
    body = b"".join(
        piece
        if isinstance(piece, bytes)
        else struct.pack(">2i", piece[0], len(piece[1]) // 2) + piece[1]
        for piece in pieces
    )
    return with_length(THREE.parts()[".shp"][:HEADER_BYTES] + body)


def shx(places: Sequence[tuple[int, int]]) -> bytes:
    """A .shx of places and lengths in bytes, as ``places_of`` gives them."""
    body = b"".join(struct.pack(">2i", at // 2, long // 2) for at, long in places)
    return with_length(THREE.parts()[".shx"][:HEADER_BYTES] + body)


def places_of(shapefile: Shapefile) -> list[tuple[int, int]]:
    index = shapefile.parts()[".shx"][HEADER_BYTES:]
    return [(2 * at, 2 * long) for at, long in struct.iter_unpack(">2i", index)]


def with_length(content: bytes) -> bytes:
    return content[:24] + struct.pack(">i", len(content) // 2) + content[28:]


def deleted(shapefile: Shapefile, *rows: int) -> bytes:
    """The table of one column of one character, with these rows marked as deleted."""
    table = bytearray(shapefile.parts()[".dbf"])
    for row in rows:
        table[65 + 2 * row] = ord("*")
    return bytes(table)


def names_and_places(content: bytes) -> list[tuple[str | None, float]]:
    return [(one.name, one.geometry.bounds[0]) for one in read(content).features]


@pytest.mark.parametrize("left_out", [0, 1, 2])
@pytest.mark.parametrize("first", [0, 1])
def test_a_shape_that_the_index_leaves_out_is_not_lost(left_out: int, first: int) -> None:
    """GDAL reads what the .shx names; with a table of as many rows, a parcel would be gone."""
    places = [place for row, place in enumerate(places_of(THREE)) if row != left_out]
    content = shp(list(enumerate(bodies(THREE), start=first)))
    error = refusal(TWO.zipped(shp=content, shx=shx(places)))
    assert error.code == "boundary_unreadable"
    assert ".shx" in error.sentence


@pytest.mark.parametrize("rows", [(0, 0, 2), (1, 0, 2), (0, 2, 2), (2, 1, 0)])
def test_an_index_in_another_order_would_mix_up_the_attributes(rows: Sequence[int]) -> None:
    places = places_of(THREE)
    error = refusal(THREE.zipped(shx=shx([places[row] for row in rows])))
    assert error.code == "boundary_unreadable"
    assert ".shx" in error.sentence


def test_two_records_cannot_share_their_bytes() -> None:
    outer = circle(40)
    [body] = bodies(Shapefile(shapes=[[outer]]))
    inner = struct.pack(">2i", 2, len(bodies(THREE)[0]) // 2) + bodies(THREE)[0]
    # The inner record lies in the coordinates of the outer one, which GDAL reads as they are.
    at = len(body) - len(inner)
    content = shp([(1, body[:at] + inner)])
    places = [
        (HEADER_BYTES, len(body)),
        (HEADER_BYTES + RECORD_HEAD_BYTES + at, len(inner) - RECORD_HEAD_BYTES),
    ]
    error = refusal(TWO.zipped(shp=content, shx=shx(places)))
    assert error.code == "boundary_unreadable"
    assert "overlap" in error.sentence


@pytest.mark.parametrize("first", [0, 1, 7])
def test_records_may_be_counted_from_another_number(first: int) -> None:
    content = shp(list(enumerate(bodies(THREE), start=first)))
    assert names_and_places(THREE.zipped(shp=content)) == [
        ("a", 620_000),
        ("b", 621_000),
        ("c", 622_000),
    ]


def test_a_shape_that_an_edit_has_moved_to_the_end_is_read_once() -> None:
    """GDAL writes a shape that grew at the end, and leaves the old one where it was."""
    one, two, three = bodies(THREE)
    [grown] = bodies(Shapefile(shapes=[[circle(40)]]))
    content = shp([(1, one), (2, two), (3, three), (1, grown)])
    places = places_of(THREE)
    places[0] = (len(content) - len(grown) - RECORD_HEAD_BYTES, len(grown))
    features = read(THREE.zipped(shp=content, shx=shx(places))).features
    assert [len(one.geometry.exterior.coords) for one in features] == [41, 5, 5]


@pytest.mark.parametrize("row", [0, 1, 2])
@pytest.mark.parametrize("rest", [b"\0" * 16, struct.pack("<4d", 620_000, 310_000, 620_000, 1)])
def test_what_a_shape_that_shrank_has_left_is_not_read(row: int, rest: bytes) -> None:
    pieces: list[tuple[int, bytes] | bytes] = list(enumerate(bodies(THREE), start=1))
    pieces.insert(row + 1, rest)
    places = [
        (at + (len(rest) if place > row else 0), long)
        for place, (at, long) in enumerate(places_of(THREE))
    ]
    found = names_and_places(THREE.zipped(shp=shp(pieces), shx=shx(places)))
    assert found == [("a", 620_000), ("b", 621_000), ("c", 622_000)]


def test_files_that_gdal_has_added_to_are_read(tmp_path: Path) -> None:
    schema = {"geometry": "Polygon", "properties": {"Dwellings": "int:9", "Name": "str:40"}}
    path = tmp_path / "site.shp"
    outlines: list[list[Ring]] = [[square(), HOLE], [circle(40, 621_000)], [square(622_000)]]
    for mode in ("w", "a"):
        described = {"driver": "ESRI Shapefile", "crs": "EPSG:27700", "schema": schema}
        with fiona.open(path, mode, **(described if mode == "w" else {})) as sink:
            for number, rings in enumerate(outlines, start=1):
                geometry = {"type": "Polygon", "coordinates": rings}
                values = {"Dwellings": number, "Name": f"Site {number}"}
                sink.write({"type": "Feature", "geometry": geometry, "properties": values})
    files = {part.name: part.read_bytes() for part in tmp_path.iterdir()}
    features = read(zipped(files)).features
    assert [one.dwellings for one in features] == [1, 2, 3, 1, 2, 3]
    assert features[3].geometry.area == pytest.approx(10_000 - 100)


@pytest.mark.parametrize(
    "far",
    [square(630_000), square(620_100, 310_100), square(620_100, 310_000)],
    ids=["far away", "at a corner", "at a side"],
)
@pytest.mark.parametrize("shells", [1, 2])
def test_a_hole_outside_of_its_outline_is_not_land(far: Ring, shells: int) -> None:
    rings = [square(), square(625_000)][:shells]
    for shape in ([*rings, far[::-1]], [far[::-1], *rings], [*rings, HOLE, far[::-1]]):
        error = refusal(Shapefile(shapes=[[square(640_000)], shape]).zipped())
        assert error.code == "geometry_invalid"
        assert error.sentence.startswith("Feature 2 ")


def test_outlines_that_are_all_drawn_the_wrong_way_round_are_read() -> None:
    """Some programs do not know which way to draw; then no ring claims to be a hole."""
    shape = [square()[::-1], square(630_000)[::-1]]
    [only] = read(Shapefile(shapes=[shape]).zipped()).features
    assert only.geometry.area == pytest.approx(20_000)


@pytest.mark.parametrize(
    "shape",
    [
        [square()[::-1], HOLE[::-1]],
        [square()[::-1], HOLE[::-1], square(630_000)[::-1], square(630_020, 310_020, 10)],
    ],
)
def test_rings_that_all_run_the_wrong_way_round_are_told_so(shape: list[Ring]) -> None:
    error = refusal(Shapefile(shapes=[[square(640_000)], shape]).zipped())
    assert error.code == "geometry_invalid"
    assert error.sentence.startswith("Feature 2 ")
    assert "wrong way round" in error.sentence


def test_many_holes_and_outlines_in_any_order_are_read() -> None:
    outlines = [square(600_000 + 200 * step) for step in range(150)]
    holes = [square(600_020 + 200 * step, 310_020, 10)[::-1] for step in range(150)]
    [only] = read(Shapefile(shapes=[[*holes, *outlines]]).zipped()).features
    assert only.geometry.area == pytest.approx(150 * (10_000 - 100))


def test_a_deleted_row_is_not_judged() -> None:
    outside = square(5_000_000)
    no_number = [(math.nan, 310_000.0), *square()[1:]]
    for gone in (None, [], [outside], [no_number], [bow_tie()]):
        shapefile = Shapefile(shapes=[[square()], gone, [square(622_000)]], columns=NAMES)
        content = shapefile.zipped(dbf=deleted(shapefile, 1))
        assert names_and_places(content) == [("a", 620_000), ("c", 622_000)]


def test_points_of_deleted_rows_are_not_counted_against_the_rings_that_are_read() -> None:
    shape: list[Ring] = [square(), HOLE]
    shapefile = Shapefile(shapes=[shape, [square(621_000)], shape], columns=NAMES)
    [first, second] = read(shapefile.zipped(dbf=deleted(shapefile, 0))).features
    assert (first.geometry.area, second.geometry.area) == (
        pytest.approx(10_000),
        pytest.approx(10_000 - 100),
    )


@pytest.mark.parametrize(
    "bad", [None, [], [bow_tie()], [square(5_000_000)], [square(), square(630_000)[::-1]]]
)
def test_every_check_numbers_features_without_the_deleted_ones(bad: list[Ring] | None) -> None:
    shapefile = Shapefile(shapes=[[square()], [square(621_000)], bad], columns=NAMES)
    error = refusal(shapefile.zipped(dbf=deleted(shapefile, 0)))
    assert error.sentence.startswith("Feature 2 ")
