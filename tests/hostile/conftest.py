"""The sandbox as the worker uses it, and what the tests do to its children."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.fakes.boundary_reading import checked
from worker.boundary.sandbox import Sandbox
from worker.errors import BoundaryError
from worker.settings import BoundarySettings


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One that keeps a child warm, with the limits of production."""
    with Sandbox(BoundarySettings()) as opened:
        opened.warm()
        yield opened


Refuse = Callable[[bytes, str], BoundaryError]


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


def warm_child(sandbox: Sandbox) -> psutil.Process:
    """The child that waits for the next file, warm."""
    sandbox.warm()
    assert sandbox._next is not None
    child = sandbox._next.result()
    child.wait_ready()
    return psutil.Process(child.pid)


def parsing_children(parent: psutil.Process | None = None) -> list[psutil.Process]:
    """Children of ``parent`` (this process) that parse boundaries."""
    found = []
    for child in (parent or psutil.Process()).children():
        try:
            if "worker.boundary.child" in child.cmdline():
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Until ``condition`` holds; fails the test if it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
