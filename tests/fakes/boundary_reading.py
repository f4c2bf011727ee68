"""Reading boundary files in tests: in this process for rules, in the sandbox for attacks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from worker.boundary.codes import BOUNDARY_CODES
from worker.boundary.limits import Limits
from worker.boundary.model import Boundary
from worker.boundary.parse import read_boundary
from worker.errors import BoundaryError

MEGABYTE = 1024 * 1024

# How a file of this content and name is refused.
Refuse = Callable[[bytes, str], BoundaryError]


def limits(
    *,
    max_bytes: int = 100 * MEGABYTE,
    max_expanded_bytes: int = 500 * MEGABYTE,
    max_entries: int = 200,
    max_ratio: int = 200,
    max_vertices: int = 500_000,
    max_features: int = 10_000,
    max_area_ha: float = 100_000,
) -> Limits:
    """The product's own limits, each of which a test may lower."""
    return Limits(
        max_bytes=max_bytes,
        max_expanded_bytes=max_expanded_bytes,
        max_entries=max_entries,
        max_ratio=max_ratio,
        max_vertices=max_vertices,
        max_features=max_features,
        max_area_ha=max_area_ha,
        cpu_seconds=60,
        memory_mb=1024,
        site_buffer_m=250,
        pond_buffer_m=250,
        segments_per_quadrant=32,
        grid_m=0.0001,
    )


def read(content: bytes, *, name: str = "", under: Limits | None = None) -> Boundary:
    """The boundary in ``content``, read in this process."""
    with TemporaryDirectory() as folder:
        path, target = Path(folder) / "upload", Path(folder) / "files"
        path.write_bytes(content)
        target.mkdir()
        return read_boundary(path, filename_hint=name, target=target, limits=under or limits())


def refusal(content: bytes, *, name: str = "", under: Limits | None = None) -> BoundaryError:
    """How ``content`` is refused; a refusal always has a public code and a whole sentence."""
    with pytest.raises(BoundaryError) as caught:
        read(content, name=name, under=under)
    return checked(caught.value)


def checked(error: BoundaryError) -> BoundaryError:
    """``error``, if a developer of a house could act on it."""
    assert error.code in BOUNDARY_CODES
    assert not error.sentence[0].islower() and error.sentence.endswith(".")
    assert len(error.sentence.split()) >= 4
    assert "Traceback" not in error.sentence and "/tmp" not in error.sentence
    return error
