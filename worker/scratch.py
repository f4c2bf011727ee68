"""Room for the files of one job; those of a killed process are removed by the next such job."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LOCK = "in-use"


@contextmanager
def scratch_directory(kind: str) -> Iterator[Path]:
    """An empty directory (in TMPDIR) that is gone after the block.

    Removes those of the same ``kind`` whose process has ended.
    """
    prefix = f"nrf-{kind}-"
    _remove_abandoned(prefix)
    made = Path(tempfile.mkdtemp(prefix=f".{prefix}"))
    try:
        # The kernel frees the lock when its process ends, however it ends.
        with (made / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Locked before others can find it, so that nobody takes it for abandoned.
            made = made.rename(made.with_name(made.name.removeprefix(".")))
            files = made / "files"
            files.mkdir()
            yield files
    finally:
        # What cannot be removed now is left to the next such job.
        shutil.rmtree(made, ignore_errors=True)


def _remove_abandoned(prefix: str) -> None:
    for directory in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        # Without the lock's file it is being removed at this moment, or somebody else's.
        with suppress(OSError), (directory / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory)
