"""A gzipped tar that is written front to back, with no more than one table on the disk.

A tar header states the size of what follows, which is known only when a table has been read. So
each table is compressed into a file of ours first; then its header and that file are sent on.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from worker.water.export_gzip import GzipStream, deflate

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
        self._modified = int(modified.timestamp())
        self._stream = GzipStream(sink, modified=self._modified)
        self._spool = directory / "table.csv.deflate"

    def add(self, name: str, pieces: Iterable[bytes]) -> int:
        """Append the member ``name``; returns its size in bytes before compression."""
        # A file that is here already would be somebody else's.
        with self._spool.open("x+b") as spool:
            try:
                table = deflate(pieces, spool.write)
                spool.seek(0)
                self._stream.write(self._header(name, table.size))
                self._stream.append(table, _pieces_of(spool))
            finally:
                self._spool.unlink()
        self._stream.write(bytes(-table.size % tarfile.BLOCKSIZE))
        return table.size

    def close(self) -> None:
        """Send what ends a tar, two empty blocks, and the end of the stream."""
        self._stream.write(bytes(2 * tarfile.BLOCKSIZE))
        self._stream.close()

    def _header(self, name: str, size: int) -> bytes:
        header = tarfile.TarInfo(name)
        header.size = size
        header.mtime = self._modified
        header.mode = _MODE
        return header.tobuf(tarfile.PAX_FORMAT)


def _pieces_of(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_COPY_BYTES):
        yield piece
