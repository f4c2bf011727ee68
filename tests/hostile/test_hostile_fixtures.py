"""Files that once broke a promise of the reader, and some that it has to go on accepting.

``make fuzz`` adds ``found.*.bin`` here, which fails this test until the reader is mended; the file
is then renamed to the code it should end with (or ``read``) and what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from shapely import MultiPolygon, Polygon
from shapely.affinity import translate

from tests.fakes.boundary_reading import limits
from tests.fuzz import witness
from tests.fuzz.mutate import Spoiler
from tests.fuzz.promise import examine, judged
from tests.fuzz.seeds import seeds
from worker.boundary.codes import BOUNDARY_CODES
from worker.boundary.model import Boundary, BoundaryFeature
from worker.boundary.parse import read_boundary
from worker.boundary.sandbox import Sandbox
from worker.errors import BoundaryError

FIXTURES = sorted((Path(__file__).parent / "fixtures").glob("*.bin"))


def expected(fixture: Path) -> str:
    return fixture.name.partition(".")[0]


def test_there_are_fixtures_of_both_kinds_and_each_has_been_mended() -> None:
    ends = {expected(fixture) for fixture in FIXTURES}
    assert "read" in ends and len(ends) > 2
    assert ends <= BOUNDARY_CODES | {"read"}


# fiona says so about a column without a name, which nobody reads.
@pytest.mark.filterwarnings("ignore:Empty field name")
@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.stem)
def test_a_file_that_broke_a_promise_once_ends_as_it_should(fixture: Path, tmp_path: Path) -> None:
    content = fixture.read_bytes()
    assert examine(content, "boundary", tmp_path).code == expected(fixture)
    examine(content, "outlines", tmp_path)
    examine(content, "survey_ponds", tmp_path)


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda fixture: fixture.stem)
def test_the_child_comes_to_the_same_end(fixture: Path, sandbox: Sandbox) -> None:
    try:
        found = judged(sandbox.read_boundary(fixture), "boundary")
    except BoundaryError as refusal:
        assert not refusal.detail.startswith("child"), refusal.detail
        found = judged(refusal, "boundary")
    assert found.code == expected(fixture)


@pytest.mark.timeout(400)
@pytest.mark.filterwarnings("ignore:Empty field name")
def test_the_same_hundred_spoiled_files_end_as_they_should(tmp_path: Path) -> None:
    random = Random(2026)
    spoiler, samples = Spoiler(random, (str(tmp_path / "elsewhere"),)), seeds()
    assert {examine(sample.content(), "boundary", tmp_path).code for sample in samples} == {"read"}
    codes = set()
    for _ in range(100):
        _, content = spoiler.spoil(random.choice(samples), samples)
        codes.add(examine(content, "boundary", tmp_path).code)
    assert len(codes) > 6


def moved(one: BoundaryFeature) -> BoundaryFeature:
    area = translate(one.geometry, 90.0)
    assert isinstance(area, Polygon | MultiPolygon)
    return replace(one, geometry=area)


def all_moved(boundary: Boundary) -> Boundary:
    return replace(boundary, features=tuple(map(moved, boundary.features)))


def with_land_for_holes(one: BoundaryFeature) -> BoundaryFeature:
    polygons = [one.geometry] if isinstance(one.geometry, Polygon) else one.geometry.geoms
    rings = [ring for each in polygons for ring in (each.exterior, *each.interiors)]
    if len(rings) == len(polygons):
        return one
    return replace(one, geometry=MultiPolygon([Polygon(ring) for ring in rings]))


@pytest.mark.parametrize(
    "misread",
    [
        all_moved,
        lambda boundary: replace(boundary, features=boundary.features[:-1]),
        lambda boundary: replace(
            boundary,
            has_dwellings=True,
            features=tuple(replace(one, dwellings=999) for one in boundary.features),
        ),
        lambda boundary: replace(
            boundary,
            has_dwellings=False,
            features=tuple(replace(one, dwellings=None) for one in boundary.features),
        ),
        lambda boundary: replace(
            boundary, features=tuple(map(with_land_for_holes, boundary.features))
        ),
    ],
    ids=["moved", "one left out", "other dwellings", "dwellings lost", "holes read as land"],
)
def test_an_answer_that_is_not_what_the_file_says_is_noticed(
    misread: Callable[[Boundary], Boundary], tmp_path: Path
) -> None:
    noticed = altered = 0
    for place, sample in enumerate(seeds()):
        path, target = tmp_path / f"{place}.upload", tmp_path / str(place)
        path.write_bytes(sample.content())
        target.mkdir()
        answer = read_boundary(path, filename_hint="", target=target, limits=limits())
        witness.compare(answer, sample.content(), target, with_dwellings=True)
        wrong = misread(answer)
        altered += wrong != answer
        with suppress(witness.Contradiction):
            witness.compare(wrong, sample.content(), target, with_dwellings=True)
            continue
        noticed += 1
    assert altered > 5
    # Points of converted files are only counted.
    assert noticed >= altered - (4 if misread is all_moved else 0)
