"""A shapefile's .dbf table: its columns and rows checked before GDAL reads any of them.

GDAL opens a shapefile without its table when the table's header is damaged, reads rows from
wherever the header says they begin, takes 11 from a number that says 11x, ends a value at a NUL
and reads the bytes of a binary number as text: dwellings would be lost or wrong, silently (layout:
dBASE III, which ESRI's technical description refers to).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from worker.errors import BoundaryError

# Number of rows, bytes of the header, bytes of a row.
_HEAD = struct.Struct("<4xIHH")
_HEAD_BYTES = _COLUMN_BYTES = 32
# Name up to a NUL byte, type, width.
_COLUMN = struct.Struct("<11ss4xB15x")
_TYPE_OFFSET = 11
_LANGUAGE_DRIVER_OFFSET = 29
_END_OF_COLUMNS = 0x0D
# Visual FoxPro keeps the path of its database between the columns and the rows.
_FOXPRO = frozenset({0x30, 0x31, 0x32})
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
# The first byte of a row: it is there, or it was deleted.
_DELETED = ord("*")
_ROW_MARKS = frozenset((ord(" "), _DELETED))
_NUMBERS = b"NF"
# Text, numbers, dates and logical values are written in characters. FoxPro and later dBASE have
# binary numbers and places in another file beside them.
_IN_CHARACTERS = b"CDL" + _NUMBERS


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose rows are where it says; names of columns are in ISO-8859-1.

    ``kinds``: dBASE type of each column; ``overrun``: columns with more than padding after a NUL;
    ``deleted``: rows that are no features, from 0; ``language_driver``: its mark of a
    code page.
    """

    kinds: Mapping[str, bytes]
    overrun: frozenset[str]
    deleted: frozenset[int]
    language_driver: int

    def check_column(self, name: str) -> None:
        """Before a column is read; damage in others does no harm.

        Raises BoundaryError ``boundary_unreadable``.
        """
        kind = self.kinds.get(name, b"?")
        if kind not in _IN_CHARACTERS:
            shown = kind.decode("ascii", errors="replace")
            raise _damaged(
                f"has a column {name} of a type ({shown if shown.isprintable() else '?'}) that"
                " shapefiles do not have"
            )
        if name in self.overrun:
            raise _damaged(f"is damaged: a value in its column {name} goes on after its end")

    def is_number(self, name: str) -> bool:
        """Whether the column is one of numbers."""
        return self.kinds[name] in _NUMBERS


def prepare_table(path: Path, shapes: int) -> Table:
    """Check the table against itself and the number of shapes.

    ``path`` is our own copy, in which every number and date becomes plain text: GDAL's bindings
    refuse a whole file for one impossible date in a column that nobody reads. Raises BoundaryError
    ``boundary_unreadable``.
    """
    content = path.read_bytes()
    if len(content) < _HEAD_BYTES:
        raise _damaged("is cut short")
    rows, header_bytes, row_bytes = _HEAD.unpack_from(content)
    if len(content) < header_bytes + rows * row_bytes:
        raise _damaged("is damaged or cut short")
    if rows != shapes:
        raise _damaged(f"has {rows:,} rows, but the shapefile {shapes:,} shapes")
    columns = list(_columns(content, header_bytes))
    marks = content[header_bytes : header_bytes + rows * row_bytes : row_bytes or 1]
    if row_bytes != 1 + sum(column.width for column in columns) or not _ROW_MARKS.issuperset(marks):
        raise _damaged("is damaged: its rows are not where it says")
    names = {column.name.upper() for column in columns}
    if len(names) < len(columns):
        raise _damaged("has two columns of the same name")
    _make_text(path, columns)
    cells = np.frombuffer(content, dtype=np.uint8, count=rows * row_bytes, offset=header_bytes)
    return Table(
        kinds={column.name.decode("iso-8859-1"): column.kind for column in columns},
        overrun=frozenset(_overrun(cells.reshape(rows, row_bytes), columns)),
        deleted=frozenset(row for row, mark in enumerate(marks) if mark == _DELETED),
        language_driver=content[_LANGUAGE_DRIVER_OFFSET],
    )


def number(text: str) -> float | int | str | None:
    """What a column of numbers holds; None for no value, the text itself if it is no number."""
    bare = text.strip()
    # Stars are dBASE's way to say that there is nothing, or that it did not fit.
    if not bare.strip("*"):
        return None
    if not _NUMBER.fullmatch(bare):
        return bare
    return int(bare) if bare.lstrip("+-").isdecimal() else float(bare)


@dataclass(frozen=True, slots=True)
class _Column:
    offset: int
    name: bytes
    kind: bytes
    width: int


def _columns(content: bytes, header_bytes: int) -> Iterator[_Column]:
    offset = _HEAD_BYTES
    while offset < header_bytes and content[offset] != _END_OF_COLUMNS:
        if offset + _COLUMN_BYTES > header_bytes:
            raise _damaged("is damaged: its columns are not where it says")
        name, kind, width = _COLUMN.unpack_from(content, offset)
        yield _Column(offset, name.partition(b"\0")[0].rstrip(b" "), kind, width)
        offset += _COLUMN_BYTES
    padding = content[offset + 1 : header_bytes]
    if header_bytes < _HEAD_BYTES or (padding.strip(b"\0") and content[0] not in _FOXPRO):
        raise _damaged("is damaged: its header is longer than its columns")


def _overrun(rows: npt.NDArray[np.uint8], columns: list[_Column]) -> Iterator[str]:
    """Columns in which a NUL is not the end: GDAL takes 1 from 1, NUL, 5. NULs may fill a cell."""
    start = 1
    present = rows[:, 0] != _DELETED
    for column in columns:
        cells = rows[:, start : start + column.width][present]
        start += column.width
        ended = np.logical_or.accumulate(cells == 0, axis=1)
        if (ended & (cells != 0) & (cells != ord(" "))).any():
            yield column.name.decode("iso-8859-1")


def _make_text(path: Path, columns: list[_Column]) -> None:
    with path.open("r+b") as file:
        for column in columns:
            if column.kind in b"NFD":
                file.seek(column.offset + _TYPE_OFFSET)
                file.write(b"C")


def _damaged(what: str) -> BoundaryError:
    return BoundaryError(
        "boundary_unreadable",
        f"The .dbf file {what}. Please export the shapefile again.",
    )
