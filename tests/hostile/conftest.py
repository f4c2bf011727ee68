"""The sandbox as the worker uses it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.boundary_reading import Refuse, checked
from worker.boundary.sandbox import Sandbox
from worker.errors import BoundaryError
from worker.settings import BoundarySettings, GcnConstants


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One that keeps a child warm, with the limits of production."""
    with Sandbox(BoundarySettings(), GcnConstants()) as opened:
        opened.warm()
        yield opened


@pytest.fixture
def refuse(sandbox: Sandbox, tmp_path: Path) -> Refuse:
    """How the sandbox refuses a file of this content and name."""

    def attempt(content: bytes, name: str = "site.geojson") -> BoundaryError:
        path = tmp_path / "upload"
        path.write_bytes(content)
        with pytest.raises(BoundaryError) as caught:
            sandbox.read_boundary(path, filename_hint=name)
        return checked(caught.value)

    return attempt
