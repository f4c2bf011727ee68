"""Room for files of one load; what a killed process has left there is removed by the next load."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "nrf-reference-"
_LOCK = "in-use"


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """An empty directory (in TMPDIR) that is gone after the block."""
    _remove_abandoned()
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name:
        directory = Path(name)
        # The kernel frees the lock when its process ends, however it ends.
        with (directory / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            files = directory / "files"
            files.mkdir()
            yield files


def _remove_abandoned() -> None:
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Without the lock's file it is being made or removed at this moment, or somebody else's.
        with suppress(OSError), (directory / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory)
