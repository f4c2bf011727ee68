"""A folder with a file that nothing may open: the kernel tells when something does."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from types import TracebackType
from typing import Self

# From <sys/inotify.h>: opened, or read.
_IN_ACCESS, _IN_OPEN = 0x1, 0x20
_IN_NONBLOCK = 0o4000


class WatchedFile:
    """``path`` holds ``content``; a library's C code is seen opening it as well as Python's."""

    def __init__(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        self.path = path
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._events: int = self._libc.inotify_init1(_IN_NONBLOCK)
        if self._events < 0 or self._watch() < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def _watch(self) -> int:
        watch: int = self._libc.inotify_add_watch(
            self._events, os.fsencode(self.path), _IN_ACCESS | _IN_OPEN
        )
        return watch

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._events)

    def was_opened(self) -> bool:
        """Whether anything has opened it since the last call."""
        try:
            return bool(os.read(self._events, 65_536))
        except BlockingIOError:
            return False
