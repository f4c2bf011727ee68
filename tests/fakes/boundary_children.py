"""The children of the sandbox, which parse boundaries, as tests find them and wait for them."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil

from worker.boundary.sandbox import Sandbox


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
