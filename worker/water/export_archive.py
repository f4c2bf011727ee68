"""A gzipped tar that is written front to back, with no more than one table on the disk.

A tar header states the size of what follows, which is known only when a table has been read. So
each table is compressed into a file of ours first, then its header and that file are sent on: a
gzip stream may consist of several members, one after the other (RFC 1952, 2.2).
"""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

# That of the gzip command.
_LEVEL = 6
_COPY_BYTES = 1024 * 1024
_MODE = 0o644


class Archive:
    """Sends a ``.tgz`` to ``sink``, piece by piece; call ``close`` at its end.

    ``directory``: room for one compressed table at a time. ``modified``: the time of every member,
    so that equal contents make equal archives. Raises OSError when the disk is full.
    """

    def __init__(
        self, sink: Callable[[bytes], None], directory: Path, *, modified: datetime
    ) -> None:
        self._sink = sink
        self._spool = directory / "table.csv.gz"
        self._modified = int(modified.timestamp())
        self._padding = b""

    def add(self, name: str, pieces: Iterable[bytes]) -> int:
        """Append the member ``name``; returns its size in bytes before compression."""
        # A file that is here already would be somebody else's.
        with self._spool.open("x+b") as spool:
            try:
                size = 0
                with gzip.GzipFile("", "wb", _LEVEL, spool, self._modified) as member:
                    for piece in pieces:
                        size += member.write(piece)
                self._send(self._padding + self._header(name, size))
                spool.seek(0)
                while compressed := spool.read(_COPY_BYTES):
                    self._sink(compressed)
            finally:
                self._spool.unlink()
        self._padding = bytes(-size % tarfile.BLOCKSIZE)
        return size

    def close(self) -> None:
        """Send what ends a tar: two empty blocks."""
        self._send(self._padding + bytes(2 * tarfile.BLOCKSIZE))

    def _header(self, name: str, size: int) -> bytes:
        header = tarfile.TarInfo(name)
        header.size = size
        header.mtime = self._modified
        header.mode = _MODE
        return header.tobuf(tarfile.PAX_FORMAT)

    def _send(self, blocks: bytes) -> None:
        self._sink(gzip.compress(blocks, _LEVEL, mtime=self._modified))
