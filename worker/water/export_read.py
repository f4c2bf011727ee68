"""The rows of one table, read as lines of CSV in pieces of limited size."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from psycopg import sql

from worker.clients.db import Connection
from worker.water.export_catalog import Table
from worker.water.export_lines import LineStyle, header, line

# A piece ends with the line that makes it this long, so the longest line is the limit of memory.
_PIECE_BYTES = 256 * 1024

# Binary, since every other format of COPY would write the line feeds of a text in its own way.
_COPY = sql.SQL("COPY (SELECT {line} FROM {source}) TO STDOUT (FORMAT binary)")


class TableFile:
    """The CSV file of one table; iterate once, then ``rows`` says how many there were."""

    def __init__(
        self,
        connection: Connection,
        table: Table,
        style: LineStyle,
        read: Callable[[int], None],
    ) -> None:
        self._connection = connection
        self._table = table
        self._style = style
        self._read = read
        self.rows = 0

    def __iter__(self) -> Iterator[bytes]:
        """Pieces of whole lines, the header first; ``read`` is told of rows and may raise."""
        copy = _COPY.format(line=line(self._table.columns, self._style), source=self._table.source)
        piece = [header(self._table.columns)]
        size = told = 0
        with self._connection.cursor() as cursor, cursor.copy(copy) as rows:
            rows.set_types(["bytea"])
            for (row,) in rows.rows():
                piece.append(row)
                size += len(row)
                self.rows += 1
                if size >= _PIECE_BYTES:
                    self._read(self.rows - told)
                    told = self.rows
                    yield b"".join(piece)
                    piece.clear()
                    size = 0
        self._read(self.rows - told)
        yield b"".join(piece)
