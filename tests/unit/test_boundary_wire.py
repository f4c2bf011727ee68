"""The child's answer is checked as if a stranger wrote it."""

from __future__ import annotations

import json
import pickle
import struct

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Point, Polygon

from tests.fakes.boundaries import bow_tie, square
from worker.boundary import wire
from worker.boundary.model import Boundary, BoundaryFeature, SurveyPond, SurveyPonds
from worker.errors import BoundaryError

BOUNDARY = Boundary(
    features=(
        BoundaryFeature(1, Polygon(square()), 11, "a/1", "Tŷ Newydd", "in-system", "plan"),
        BoundaryFeature(2, MultiPolygon([Polygon(square(621_000))])),
    ),
    source_crs="EPSG:27700",
    has_dwellings=True,
    warnings=("One.",),
)


def answer(header: object, *shapes: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack(">Q", len(text)) + text + b"".join(shapes)


def header(**changes: object) -> dict[str, object]:
    """The header of a boundary with one feature."""
    return {
        "source_crs": "EPSG:27700",
        "has_dwellings": False,
        "warnings": [],
        "features": [item()],
    } | changes


def item(**changes: object) -> dict[str, object]:
    return {
        "number": 1,
        "dwellings": None,
        "id": None,
        "name": None,
        "dwelling_category": None,
        "source": None,
        "wkb_bytes": len(WKB),
    } | changes


WKB = shapely.to_wkb(Polygon(square()))


def test_a_boundary_comes_out_as_it_went_in() -> None:
    decoded = wire.decode_boundary(wire.encode_boundary(BOUNDARY))
    assert decoded == BOUNDARY


def test_a_refusal_comes_out_as_it_went_in() -> None:
    refusal = BoundaryError("crs_missing", "There is no crs.", detail="x.prj")
    with pytest.raises(BoundaryError) as caught:
        wire.decode_boundary(wire.encode_refusal(refusal))
    assert (caught.value.code, caught.value.sentence, caught.value.detail) == (
        "crs_missing",
        "There is no crs.",
        "x.prj",
    )


def test_the_builder_of_answers_here_writes_good_ones() -> None:
    assert len(wire.decode_boundary(answer(header(), WKB)).features) == 1


@pytest.mark.parametrize(
    "malformed",
    [
        b"",
        b"\x00",
        pickle.dumps(BOUNDARY.source_crs),
        struct.pack(">Q", 2**63) + b"{}",
        struct.pack(">Q", 4) + b"\xff\xff\xff\xff",
        struct.pack(">Q", 100_000) + b"[" * 100_000,
        answer([]),
        answer({"code": "invented", "sentence": "Hello there you.", "detail": ""}),
        answer({"code": "crs_missing", "sentence": "x" * 5_000, "detail": ""}),
        answer({"code": "crs_missing", "sentence": None, "detail": ""}),
        answer(header(features=[]), WKB),
        answer(header(features=[7]), WKB),
        answer(header(warnings=[1]), WKB),
        answer(header(has_dwellings="yes"), WKB),
        answer(header(features=[item(number=2)]), WKB),
        answer(header(features=[item(dwellings="11")]), WKB),
        answer(header(features=[item(name=["x"])]), WKB),
        answer(header(features=[item(wkb_bytes=-1)]), WKB),
        answer(header(features=[item(wkb_bytes=len(WKB) + 1)]), WKB),
        answer(header(features=[item(wkb_bytes=10)]), WKB[:10]),
        answer(header(), WKB, b"left over"),
        answer(header(), bytes(len(WKB))),
        wire.encode_boundary(Boundary((BoundaryFeature(1, Point(1, 2)),), "EPSG:27700", False)),
        wire.encode_boundary(Boundary((BoundaryFeature(1, Polygon()),), "EPSG:27700", False)),
        wire.encode_boundary(
            Boundary((BoundaryFeature(1, Polygon(bow_tie())),), "EPSG:27700", False)
        ),
        wire.encode_boundary(
            Boundary((BoundaryFeature(1, Polygon(square(900_000.0))),), "EPSG:27700", False)
        ),
    ],
)
def test_other_answers_are_not_believed(malformed: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.decode_boundary(malformed)


@given(st.binary(max_size=200))
def test_random_bytes_never_give_a_boundary(content: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.decode_boundary(content)


@given(st.data())
def test_a_flipped_byte_never_escapes_the_checks(data: st.DataObject) -> None:
    good = wire.encode_boundary(BOUNDARY)
    position = data.draw(st.integers(0, len(good) - 1))
    damaged = bytearray(good)
    damaged[position] ^= data.draw(st.integers(1, 255))
    try:
        decoded = wire.decode_boundary(bytes(damaged))
    except (wire.WireError, BoundaryError):
        return
    for feature in decoded.features:
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


def survey_header(**changes: object) -> dict[str, object]:
    """The header of a survey with one pond, some of it changed."""
    pond = {"number": 1, "pans": "A", "tmp_imp": "F", "wkb_bytes": len(WKB)} | changes
    return {"source_crs": "EPSG:27700", "warnings": [], "ponds": [pond]}


def test_survey_ponds_come_out_as_they_went_in() -> None:
    assert wire.decode_survey_ponds(wire.encode_survey_ponds(SURVEY)) == SURVEY
    assert len(wire.decode_survey_ponds(answer(survey_header(), WKB)).ponds) == 1


@pytest.mark.parametrize(
    "malformed",
    [
        wire.encode_boundary(BOUNDARY),
        answer(survey_header() | {"ponds": []}),
        answer(survey_header() | {"warnings": [None]}, WKB),
        answer(survey_header(number=2), WKB),
        answer(survey_header(pans="X"), WKB),
        answer(survey_header(pans=["P"]), WKB),
        answer(survey_header(pans=None), WKB),
        answer(survey_header(tmp_imp=True), WKB),
        answer(survey_header(wkb_bytes=5), WKB),
        answer(survey_header(), WKB, b"left over"),
        wire.encode_survey_ponds(
            SurveyPonds((SurveyPond(1, Polygon(bow_tie()), "P", "F"),), "EPSG:27700")
        ),
    ],
    ids=lambda value: "",
)
def test_other_answers_are_not_believed_to_be_a_survey(malformed: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.decode_survey_ponds(malformed)


def test_a_survey_is_not_believed_to_be_a_boundary() -> None:
    with pytest.raises(wire.WireError):
        wire.decode_boundary(wire.encode_survey_ponds(SURVEY))


def test_a_refused_survey_is_a_refusal() -> None:
    refusal = BoundaryError("survey_ponds_invalid", "A pond says nothing.")
    with pytest.raises(BoundaryError) as caught:
        wire.decode_survey_ponds(wire.encode_refusal(refusal))
    assert caught.value.code == "survey_ponds_invalid"
