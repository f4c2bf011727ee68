"""The child's answer is checked as if a stranger wrote it."""

from __future__ import annotations

import errno
import json
import pickle
import struct
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import GeometryCollection, MultiPolygon, Point, Polygon

from tests.fakes.boundaries import bow_tie, square
from tests.fakes.boundary_reading import limits
from worker.boundary import wire
from worker.boundary.limits import Limits
from worker.boundary.model import Boundary, BoundaryFeature, SurveyPond, SurveyPonds
from worker.errors import BoundaryError, TransientError

BOUNDARY = Boundary(
    features=(
        BoundaryFeature(1, Polygon(square()), 11, "a/1", "Tŷ Newydd", "in-system", "plan"),
        BoundaryFeature(2, MultiPolygon([Polygon(square(621_000))])),
    ),
    source_crs="EPSG:27700",
    has_dwellings=True,
    warnings=("One.",),
)


SQUARE = Polygon(square())
WKB: bytes = shapely.to_wkb(SQUARE, byte_order=1)


def block(content: bytes) -> bytes:
    return struct.pack("<I", len(content)) + content


def answer(header: object, *parts: object) -> bytes:
    """A header and what follows it: WKB is bytes, everything else becomes JSON."""
    return b"".join(
        block(part if isinstance(part, bytes) else json.dumps(part).encode())
        for part in (header, *parts)
    )


def header(**changes: object) -> dict[str, object]:
    """The header of a boundary with one feature."""
    return {"source_crs": "EPSG:27700", "warnings": [], "features": 1} | changes


def item(**changes: object) -> dict[str, object]:
    return {
        "dwellings": None,
        "id": None,
        "name": None,
        "dwelling_category": None,
        "source": None,
    } | changes


def decoded(content: bytes, under: Limits | None = None) -> Boundary:
    return wire.decode_boundary(content, under or limits())


def decoded_survey(content: bytes) -> SurveyPonds:
    return wire.decode_survey_ponds(content, limits())


def shaped(shape: shapely.Geometry) -> bytes:
    """The answer whose one feature has this geometry."""
    wkb: bytes = shapely.to_wkb(shape, byte_order=1, output_dimension=3)
    return answer(header(), item(), wkb)


def polygons_of(nested: int, kind: int = 7) -> bytes:
    """WKB of collections in each other, the innermost with one polygon."""
    return struct.pack("<BII", 1, kind, 1) + struct.pack("<BII", 1, 7, 1) * nested + WKB


def test_a_boundary_comes_out_as_it_went_in() -> None:
    assert decoded(wire.encode_boundary(BOUNDARY)) == BOUNDARY


def test_features_without_dwellings_come_out_with_what_they_are_together() -> None:
    one, other = BoundaryFeature(1, SQUARE), BoundaryFeature(2, Polygon(square(620_050)))
    boundary = Boundary(
        (one, other), "EPSG:4326", False, dissolved=shapely.union(one.geometry, other.geometry)
    )
    assert decoded(wire.encode_boundary(boundary)) == boundary
    with pytest.raises(wire.WireError):
        decoded(wire.encode_boundary(replace(boundary, dissolved=None)))
    with pytest.raises(wire.WireError):
        decoded(wire.encode_boundary(replace(BOUNDARY, dissolved=boundary.dissolved)))


def test_the_longest_texts_come_out_as_they_went_in() -> None:
    texts = dict.fromkeys(("id", "name", "dwelling_category", "source"), "🏠" * 254)
    feature = BoundaryFeature(1, SQUARE, 999_999, **texts)
    [read] = decoded(wire.encode_boundary(Boundary((feature,), "EPSG:27700", True))).features
    assert read == feature


def test_a_refusal_comes_out_as_it_went_in() -> None:
    refusal = BoundaryError("crs_missing", "There is no crs.", detail="x.prj")
    with pytest.raises(BoundaryError) as caught:
        decoded(wire.encode_refusal(refusal))
    assert (caught.value.code, caught.value.sentence, caught.value.detail) == (
        "crs_missing",
        "There is no crs.",
        "x.prj",
    )


def test_trouble_of_this_machine_is_no_refusal() -> None:
    with pytest.raises(TransientError) as caught:
        decoded(wire.encode_trouble(OSError(errno.ENOSPC, "No space left on device")))
    assert caught.value.code == "parser_unavailable"
    assert "No space left" in caught.value.detail


def test_the_builder_of_answers_here_writes_good_ones() -> None:
    assert len(decoded(answer(header(), item(), WKB)).features) == 1


@pytest.mark.parametrize(
    "malformed",
    [
        b"",
        b"\x00",
        pickle.dumps(BOUNDARY.source_crs),
        struct.pack("<I", 2**32 - 1) + b"{}",
        block(b"\xff\xff\xff\xff"),
        block(b"[" * 60_000),
        answer([]),
        answer({"code": "invented", "sentence": "Hello there you.", "detail": ""}),
        answer({"code": "crs_missing", "sentence": "x" * 5_000, "detail": ""}),
        answer({"code": "crs_missing", "sentence": "Half \ud800 a pair.", "detail": ""}),
        answer({"code": "crs_missing", "sentence": None, "detail": ""}),
        answer(header(features=0), item(), WKB),
        answer(header(features=-1), item(), WKB),
        answer(header(features=[7]), item(), WKB),
        answer(header(features=2), item(), WKB),
        answer(header(features=10_001), *(item(), WKB) * 10_001),
        answer(header(), 7, WKB),
        answer(header(warnings=[1]), item(), WKB),
        answer(header(warnings=["x" * 1_001]), item(), WKB),
        answer(header(warnings=["Two\nlines."]), item(), WKB),
        answer(header(source_crs="EPSG:3857"), item(), WKB),
        answer(header(source_crs="EPSG:27700\n"), item(), WKB),
        answer(header(source_crs=["EPSG:27700"]), item(), WKB),
        answer(header(), item(dwellings="11"), WKB),
        answer(header(), item(dwellings=True), WKB),
        answer(header(), item(dwellings=-5), WKB),
        answer(header(), item(dwellings=1_000_000), WKB),
        answer(header(), item(dwellings=10**4_000), WKB),
        answer(header(), item(name=["x"]), WKB),
        answer(header(), item(name=""), WKB),
        answer(header(), item(name="x" * 255), WKB),
        answer(header(), item(id="x" * 1_000_000), WKB),
        answer(header(), item(name="a\x00b"), WKB),
        answer(header(), item(source="a\nb"), WKB),
        answer(header(), item(dwelling_category="\ud800"), WKB),
        answer(header(), item(), WKB[:10]),
        answer(header(), item(), WKB + b"left over"),
        answer(header(), item(), WKB) + b"left over",
        answer(header(), item(), WKB, WKB),
        answer(header(), item(), bytes(len(WKB))),
        shaped(Point(1, 2)),
        shaped(Polygon()),
        shaped(GeometryCollection([SQUARE])),
        shaped(shapely.force_3d(SQUARE, 9.0)),
        shaped(Polygon(bow_tie())),
        shaped(Polygon(square(900_000.0))),
        answer(header(), item(), shapely.to_wkb(SQUARE, byte_order=0)),
        answer(header(), item(), shapely.to_wkb(shapely.set_srid(SQUARE, 4326), include_srid=True)),
        answer(header(), item(), struct.pack("<BII", 1, 6, 2**32 - 1) + WKB),
    ],
)
def test_other_answers_are_not_believed(malformed: bytes) -> None:
    with pytest.raises(wire.WireError):
        decoded(malformed)


@pytest.mark.parametrize("kind", [6, 7], ids=["multipolygon", "collection"])
def test_collections_without_end_are_not_given_to_geos(kind: int) -> None:
    """In a process of its own, since GEOS ends the one in which it follows them."""
    program = (
        "import resource, sys\n"
        "from tests.fakes.boundary_reading import limits\n"
        "from worker.boundary import wire\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        "try:\n"
        "    wire.decode_boundary(sys.stdin.buffer.read(), limits())\n"
        "except wire.WireError:\n"
        "    print('not believed')\n"
    )
    reader = subprocess.run(
        [sys.executable, "-c", program],
        input=answer(header(), item(), polygons_of(100_000, kind)),
        capture_output=True,
    )
    assert (reader.returncode, reader.stdout) == (0, b"not believed\n")


def test_points_are_counted_over_all_features() -> None:
    few = limits(max_vertices=4)
    fitting = 2 * few.max_converted_vertices // 5
    ring = shapely.segmentize(SQUARE, 400.0 / (4 * fitting))
    assert shapely.get_num_coordinates(ring) > fitting
    many = Boundary(
        tuple(BoundaryFeature(number, ring, 1) for number in range(1, 6)), "EPSG:27700", True
    )
    with pytest.raises(wire.WireError, match="too many points"):
        decoded(wire.encode_boundary(many), few)


def test_an_answer_never_becomes_many_times_its_size() -> None:
    empty = b"{}," * 4_000_000
    for content in (
        block(b'{"code":[' + empty + b"{}]}"),
        answer(header()) + block(b'{"id":[' + empty + b"{}]}"),
    ):
        tracemalloc.start()
        with pytest.raises(wire.WireError):
            decoded(content)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 1_000_000


@given(st.binary(max_size=200))
def test_random_bytes_never_give_a_boundary(content: bytes) -> None:
    with pytest.raises(wire.WireError):
        decoded(content)


@given(st.data())
def test_a_flipped_byte_never_escapes_the_checks(data: st.DataObject) -> None:
    good = wire.encode_boundary(BOUNDARY)
    position = data.draw(st.integers(0, len(good) - 1))
    damaged = bytearray(good)
    damaged[position] ^= data.draw(st.integers(1, 255))
    try:
        read = decoded(bytes(damaged))
    except (wire.WireError, BoundaryError):
        return
    for feature in read.features:
        assert feature.geometry.is_valid
        assert feature.geometry.geom_type in {"Polygon", "MultiPolygon"}


SURVEY = SurveyPonds(
    ponds=(
        SurveyPond(1, Polygon(square()), "P", "T"),
        SurveyPond(2, MultiPolygon([Polygon(square(621_000))]), "NS", "F"),
    ),
    source_crs="EPSG:27700",
    warnings=("One.",),
)


SURVEY_HEADER = {"source_crs": "EPSG:27700", "warnings": [], "ponds": 1}


def pond(**changes: object) -> dict[str, object]:
    return {"pans": "A", "tmp_imp": "F"} | changes


def test_survey_ponds_come_out_as_they_went_in() -> None:
    assert decoded_survey(wire.encode_survey_ponds(SURVEY)) == SURVEY
    assert len(decoded_survey(answer(SURVEY_HEADER, pond(), WKB)).ponds) == 1


@pytest.mark.parametrize(
    "malformed",
    [
        wire.encode_boundary(BOUNDARY),
        answer(SURVEY_HEADER | {"ponds": 0}),
        answer(SURVEY_HEADER | {"ponds": 2}, pond(), WKB),
        answer(SURVEY_HEADER | {"source_crs": ""}, pond(), WKB),
        answer(SURVEY_HEADER | {"warnings": [None]}, pond(), WKB),
        answer(SURVEY_HEADER, pond(pans="X"), WKB),
        answer(SURVEY_HEADER, pond(pans=["P"]), WKB),
        answer(SURVEY_HEADER, pond(pans=None), WKB),
        answer(SURVEY_HEADER, pond(tmp_imp=True), WKB),
        answer(SURVEY_HEADER, pond(), WKB[:5]),
        answer(SURVEY_HEADER, pond(), WKB) + b"left over",
        wire.encode_survey_ponds(
            SurveyPonds((SurveyPond(1, Polygon(bow_tie()), "P", "F"),), "EPSG:27700")
        ),
    ],
    ids=lambda value: "",
)
def test_other_answers_are_not_believed_to_be_a_survey(malformed: bytes) -> None:
    with pytest.raises(wire.WireError):
        decoded_survey(malformed)


def test_a_survey_is_not_believed_to_be_a_boundary() -> None:
    with pytest.raises(wire.WireError):
        decoded(wire.encode_survey_ponds(SURVEY))


def test_a_refused_survey_is_a_refusal() -> None:
    refusal = BoundaryError("survey_ponds_invalid", "A pond says nothing.")
    with pytest.raises(BoundaryError) as caught:
        decoded_survey(wire.encode_refusal(refusal))
    assert caught.value.code == "survey_ponds_invalid"
