"""Survey files go through the same child as boundaries, and are believed no more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.boundaries import Shapefile, bow_tie, collection, feature, polygon, square, zipped
from tests.fakes.boundary_children import warm_child
from tests.fakes.boundary_reading import checked
from worker.boundary.sandbox import Sandbox
from worker.errors import BoundaryError

GOOD = Shapefile(
    shapes=((square(side=10),),), columns={"PANS": ("C", 2, ["P"]), "TmpImp": ("C", 1, ["F"])}
)
VRT = b"<OGRVRTDataSource><OGRVRTLayer name='x'><SrcDataSource>/etc</SrcDataSource></OGRVRTLayer>"

RefusePonds = Callable[[bytes], BoundaryError]


@pytest.fixture
def refuse_ponds(sandbox: Sandbox, tmp_path: Path) -> RefusePonds:
    def attempt(content: bytes) -> BoundaryError:
        path = tmp_path / "ponds"
        path.write_bytes(content)
        with pytest.raises(BoundaryError) as caught:
            sandbox.read_survey_ponds(path, filename_hint="ponds.zip")
        return checked(caught.value)

    return attempt


def test_the_child_reads_a_good_survey(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "ponds.zip"
    path.write_bytes(GOOD.zipped())

    (pond,) = sandbox.read_survey_ponds(path).ponds

    assert (pond.pans, pond.tmp_imp, pond.geometry.area) == ("P", "F", 100)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (VRT, "not_a_boundary_file"),
        (zipped({"ponds.vrt": VRT}), "not_a_boundary_file"),
        (zipped({"ponds.geojson": VRT}), "not_a_boundary_file"),
        (zipped({"../ponds.geojson": b"{}"}), "archive_rejected"),
        (zipped({"a.geojson": b" " * 30_000_000}), "archive_rejected"),
        (GOOD.zipped()[:-30], "archive_rejected"),
        (GOOD.zipped(shp=GOOD.parts()[".shp"][:-8]), "boundary_unreadable"),
        (b'{"type": "FeatureCollection", "features": ' + b"[" * 100_000, "boundary_unreadable"),
        (
            json.dumps(collection(feature(polygon(bow_tie()), PANS="P"))).encode(),
            "geometry_invalid",
        ),
        (
            json.dumps(collection(feature(polygon(square()), PANS="P" * 100_000))).encode(),
            "survey_ponds_invalid",
        ),
        (
            json.dumps(collection(feature(polygon(square()), PANS={"P": ["P"]}))).encode(),
            "survey_ponds_invalid",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_hostile_survey_is_refused_and_its_file_is_named(
    refuse_ponds: RefusePonds, content: bytes, code: str
) -> None:
    error = refuse_ponds(content)

    assert error.code == code
    assert error.sentence.startswith("Survey ponds: ")
    assert len(error.sentence) < 500


def test_a_child_that_dies_over_a_survey_fails_one_file(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "ponds.zip"
    path.write_bytes(GOOD.zipped())
    child = warm_child(sandbox)
    child.kill()
    child.wait()

    assert len(sandbox.read_survey_ponds(path).ponds) == 1
