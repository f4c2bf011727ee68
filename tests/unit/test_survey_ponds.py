"""Survey ponds: which attributes they need, and how a survey file is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.boundaries import (
    WEB_MERCATOR_PRJ,
    Shapefile,
    bow_tie,
    collection,
    feature,
    polygon,
    square,
)
from tests.fakes.boundary_reading import checked, limits
from worker.boundary.model import SurveyPonds
from worker.boundary.parse import read_survey_ponds
from worker.errors import BoundaryError

POND = polygon(square(side=10))


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return Read(tmp_path)


class Read:
    """Reads a survey file of some content in this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, content: bytes) -> SurveyPonds:
        path, target = self._folder / "upload", self._folder / "files"
        path.write_bytes(content)
        target.mkdir(exist_ok=True)
        return read_survey_ponds(path, filename_hint="", target=target, limits=limits())

    def refusal(self, content: bytes) -> BoundaryError:
        with pytest.raises(BoundaryError) as caught:
            self(content)
        return checked(caught.value)


def shapefile(pans: list[object], tmp_imp: list[object] | None = None) -> Shapefile:
    columns: dict[str, tuple[str, int, list[object]]] = {"PANS": ("C", 2, pans)}
    if tmp_imp is not None:
        columns["TmpImp"] = ("C", 2, tmp_imp)
    shapes = [(square(620_000 + 20 * index, side=10),) for index in range(len(pans))]
    return Shapefile(shapes=shapes, columns=columns)


def geojson(**properties: object) -> bytes:
    return json.dumps(collection(feature(POND, **properties))).encode()


def test_ponds_come_in_file_order_with_their_attributes(read: Read) -> None:
    survey = read(shapefile(["P", "A", "NS"], ["T", "F", "F"]).zipped())

    assert [(one.number, one.pans, one.tmp_imp) for one in survey.ponds] == [
        (1, "P", "T"),
        (2, "A", "F"),
        (3, "NS", "F"),
    ]
    assert [one.geometry.area for one in survey.ponds] == [100, 100, 100]
    assert (survey.source_crs, survey.warnings) == ("EPSG:27700", ())


def test_letters_and_names_may_be_in_any_case_and_padded(read: Read) -> None:
    (pond,) = read(geojson(pans=" ns ", tmpimp="t")).ponds

    assert (pond.pans, pond.tmp_imp) == ("NS", "T")


@pytest.mark.parametrize("stated", [None, ["T", "", None]])
def test_a_missing_temporary_impact_is_none_and_it_is_said(
    read: Read, stated: list[object] | None
) -> None:
    survey = read(shapefile(["P", "A", "NS"], stated).zipped())

    silent = 3 if stated is None else 2
    assert [one.tmp_imp for one in survey.ponds] == ["F" if stated is None else "T", "F", "F"]
    (warning,) = survey.warnings
    assert warning.startswith(f"{silent} of 3 surveyed ponds do not state a temporary impact")


def test_an_answer_nested_too_deeply_to_be_written_is_no_answer(read: Read) -> None:
    nested = "[" * 900 + "]" * 900
    content = geojson(PANS="here").replace(b'"here"', nested.encode())

    assert read.refusal(content).code == "survey_ponds_invalid"


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"PANS": None},
        {"PANS": ""},
        {"PANS": "X"},
        {"PANS": "N"},
        {"PANS": 1},
        {"PANS": True},
        {"PANS": ["P"]},
        {"PANS": "P", "TmpImp": "maybe"},
        {"PANS": "P", "TmpImp": 0},
        {"PANS": "P", "TmpImp": False},
    ],
    ids=json.dumps,
)
def test_other_attributes_are_refused(read: Read, properties: dict[str, object]) -> None:
    error = read.refusal(geojson(**properties))

    assert error.code == "survey_ponds_invalid"
    assert error.sentence.startswith("Feature 1 ")


def test_the_refusal_names_the_pond(read: Read) -> None:
    error = read.refusal(shapefile(["P", "NS", "Q"]).zipped())

    assert error.code == "survey_ponds_invalid"
    assert "Feature 3" in error.sentence


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not_a_boundary_file"),
        (Shapefile(shapes=(), columns={"PANS": ("C", 2, ())}).zipped(), "geometry_empty"),
        (shapefile(["P"]).zipped(prj=WEB_MERCATOR_PRJ.encode()), "crs_unsupported"),
        (shapefile(["P"]).zipped(prj=None), "crs_missing"),
        (shapefile(["P"]).zipped(dbf=None), "shapefile_incomplete"),
        (
            json.dumps(collection(feature(polygon(bow_tie()), PANS="P"))).encode(),
            "geometry_invalid",
        ),
        (
            json.dumps(
                collection(feature({"type": "Point", "coordinates": [620000, 310000]}, PANS="P"))
            ).encode(),
            "not_polygonal",
        ),
        (json.dumps(collection(feature(None, PANS="P"))).encode(), "geometry_null"),
        (
            json.dumps(collection(feature(polygon(square(900_000.0)), PANS="P"))).encode(),
            "coordinates_out_of_range",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_files_and_geometries_are_refused_as_boundaries_are(
    read: Read, content: bytes, code: str
) -> None:
    assert read.refusal(content).code == code


def test_dwellings_mean_nothing_in_a_survey(read: Read) -> None:
    assert read(geojson(PANS="P", TmpImp="F", Dwellings="many")).ponds
