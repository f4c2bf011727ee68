"""Features that cross each other: a small file, and a shape without end once they are united."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import shapely
from shapely.geometry import Polygon

from tests.fakes.boundaries import collection, feature, polygon, strips
from tests.fakes.boundary_reading import checked
from worker.boundary.sandbox import Sandbox
from worker.boundary.sites import sites_from_boundary
from worker.errors import BoundaryError
from worker.settings import BoundarySettings, GcnConstants

MAX_VERTICES = 20_000
# Enclose 4 points for each two that cross: 25,600 and 12,100.
TOO_MANY, FEW_ENOUGH = 80, 55

Reading = Callable[[Sandbox, Path], object]


@pytest.fixture(scope="module")
def strict() -> Iterator[Sandbox]:
    """A sandbox that allows few vertices."""
    with Sandbox(BoundarySettings(boundary_max_vertices=MAX_VERTICES), GcnConstants()) as opened:
        yield opened


def crossing(each_way: int, folder: Path, **attributes: object) -> Path:
    path = folder / "crossing.geojson"
    features = [feature(polygon(ring), **attributes) for ring in strips(each_way)]
    path.write_text(json.dumps(collection(*features)))
    return path


@pytest.mark.parametrize(
    ("read", "attributes"),
    [
        (lambda sandbox, path: sandbox.read_boundary(path), {}),
        (lambda sandbox, path: sandbox.read_boundary(path, with_dwellings=False), {"Dwellings": 1}),
        (lambda sandbox, path: sandbox.read_survey_ponds(path), {"PANS": "P", "TmpImp": "F"}),
    ],
    ids=["one development", "sites of newts", "survey ponds"],
)
def test_features_that_cross_too_often_are_refused(
    read: Reading, attributes: dict[str, object], strict: Sandbox, tmp_path: Path
) -> None:
    path = crossing(TOO_MANY, tmp_path, **attributes)
    with pytest.raises(BoundaryError) as caught:
        read(strict, path)
    assert checked(caught.value).code == "too_many_vertices"
    assert "cross each other" in caught.value.sentence


def test_features_that_cross_are_dissolved_as_ever(strict: Sandbox, tmp_path: Path) -> None:
    boundary = strict.read_boundary(crossing(FEW_ENOUGH, tmp_path))
    [site] = sites_from_boundary(boundary, dwellings=5)
    united = shapely.union_all([Polygon(ring) for ring in strips(FEW_ENOUGH)])
    assert shapely.to_wkb(site.geometry) == shapely.to_wkb(united)


def test_features_with_dwellings_are_not_united_so_they_may_cross(
    strict: Sandbox, tmp_path: Path
) -> None:
    boundary = strict.read_boundary(crossing(TOO_MANY, tmp_path, Dwellings=1))
    assert len(sites_from_boundary(boundary, dwellings=None)) == 2 * TOO_MANY


def test_uniting_them_is_within_the_childs_limits(tmp_path: Path) -> None:
    path = crossing(500, tmp_path)
    settings = BoundarySettings(boundary_cpu_seconds=1)
    with Sandbox(settings, GcnConstants()) as sandbox, pytest.raises(BoundaryError) as caught:
        sandbox.read_boundary(path)
    assert checked(caught.value).code == "boundary_unreadable"
    ended = (signal.SIGXCPU, signal.SIGKILL)
    assert any(f"child ended with -{one.value}" in caught.value.detail for one in ended)
