"""Small files, all of them valid, around which a newt assessment would have to draw without end."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.boundaries import collection, feature, polygon, square, toothed
from tests.fakes.boundary_reading import checked
from worker.boundary.sandbox import Sandbox
from worker.errors import BoundaryError
from worker.settings import BoundarySettings, GcnConstants

Reading = Callable[[Sandbox, Path], object]

READINGS = pytest.mark.parametrize(
    "read",
    [
        lambda sandbox, path: sandbox.read_boundary(path, with_dwellings=False),
        lambda sandbox, path: sandbox.read_survey_ponds(path),
    ],
    ids=["sites of newts", "survey ponds"],
)


@pytest.fixture
def teeth(tmp_path: Path) -> Path:
    """190 KB; grown by 250 m, it would take gigabytes."""
    return written(tmp_path, polygon(toothed(8_000)))


def written(folder: Path, geometry: object) -> Path:
    path = folder / "site.geojson"
    path.write_text(json.dumps(collection(feature(geometry, PANS="P", TmpImp="F"))))
    return path


@READINGS
def test_an_outline_that_takes_too_much_memory_to_grow_is_refused(
    read: Reading, teeth: Path
) -> None:
    settings = BoundarySettings(boundary_memory_mb=256)
    with Sandbox(settings, GcnConstants()) as sandbox:
        with pytest.raises(BoundaryError) as caught:
            read(sandbox, teeth)
        assert checked(caught.value).code == "boundary_unreadable"
        assert "simplify" in caught.value.sentence
        assert "bad_alloc" in caught.value.detail


@READINGS
def test_an_outline_that_takes_too_much_time_to_grow_is_refused(read: Reading, teeth: Path) -> None:
    settings = BoundarySettings(boundary_cpu_seconds=1, boundary_memory_mb=8_192)
    with Sandbox(settings, GcnConstants()) as sandbox:
        with pytest.raises(BoundaryError) as caught:
            read(sandbox, teeth)
        assert checked(caught.value).code == "boundary_unreadable"
        ended = (signal.SIGXCPU, signal.SIGKILL)
        assert any(f"child ended with -{one.value}" in caught.value.detail for one in ended)


def test_what_nobody_grows_is_read(sandbox: Sandbox, teeth: Path) -> None:
    [site] = sandbox.read_boundary(teeth).features
    assert len(site.geometry.exterior.coords) == 8_001


@READINGS
def test_a_land_of_a_site_is_too_large(read: Reading, sandbox: Sandbox, tmp_path: Path) -> None:
    england = written(tmp_path, polygon(square(200_000.0, 100_000.0, 400_000.0)))
    with pytest.raises(BoundaryError) as caught:
        read(sandbox, england)
    assert checked(caught.value).code == "too_large"
