"""Values as sources hold them (often text) become typed ones; what does not parse is counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from worker.reference.layers import Column, ColumnType

Value: TypeAlias = str | int | float | Decimal | bool | None
SAMPLES = 5

_TRUE = frozenset({"1", "true", "t", "yes", "y"})
_FALSE = frozenset({"0", "false", "f", "no", "n", ""})


class Unparsable(ValueError):
    """A value that its column's type can't hold."""


@dataclass(slots=True)
class Tally:
    """How often something was met, and the first few examples."""

    count: int = 0
    samples: list[str] = field(default_factory=list)

    def add(self, sample: str) -> None:
        """Count one more; ``sample`` is kept if there are few."""
        self.count += 1
        if self.count <= SAMPLES:
            self.samples.append(sample)


class ColumnReader:
    """Reads one column of a source and remembers what was wrong with it.

    ``unparsable`` values become NULL. ``missing`` counts NULLs, those included; ``outside`` counts
    values out of the column's range or list.
    """

    def __init__(self, column: Column) -> None:
        self.column = column
        self.unparsable = Tally()
        self.missing = Tally()
        self.outside = Tally()
        self._parse = _PARSERS[column.type]
        self._is_limited = bool(column.allowed) or column.minimum is not None

    def read(self, row: int, raw: object) -> Value:
        """The typed value of ``raw``, which stands in row ``row`` of the source."""
        try:
            value = self._parse(raw)
        except Unparsable:
            self.unparsable.add(f"row {row}: {raw!r}")
            value = None
        if value is None:
            self.missing.add(f"row {row}")
        elif self._is_limited and not self._within(value):
            self.outside.add(f"row {row}: {raw!r}")
        return value

    def _within(self, value: Value) -> bool:
        column = self.column
        if isinstance(value, str):
            return value in column.allowed
        if value is None:
            return True
        return (column.minimum is None or value >= column.minimum) and (
            column.maximum is None or value <= column.maximum
        )


def readers_for(columns: Sequence[Column]) -> list[ColumnReader]:
    """A fresh reader for each column, in order."""
    return [ColumnReader(column) for column in columns]


def text(raw: object) -> str | None:
    """Text without white space around it (tabs too); nothing left is NULL."""
    if raw is None:
        return None
    if isinstance(raw, bytes):
        raise Unparsable
    # A NUL is legal in SQLite and in a .dbf field, but not in PostgreSQL.
    return str(raw).replace("\x00", "").strip() or None


def number(raw: object) -> float | None:
    """A finite number; blank is NULL."""
    if type(raw) is not float:
        plain = text(raw)
        if plain is None:
            return None
        try:
            raw = float(plain)
        except ValueError as error:
            raise Unparsable from error
    if not math.isfinite(raw):
        raise Unparsable
    return raw


def integer(raw: object) -> int | None:
    """A whole number of 32 bits, also written as 12.0; blank is NULL."""
    value = number(raw)
    if value is None:
        return None
    if not value.is_integer() or abs(value) >= 2**31:
        raise Unparsable
    return int(value)


def decimal(raw: object) -> Decimal | None:
    """An exact number (money); blank is NULL."""
    plain = text(raw)
    if plain is None:
        return None
    try:
        value = Decimal(plain)
    except InvalidOperation as error:
        raise Unparsable from error
    if not value.is_finite():
        raise Unparsable
    return value


def boolean(raw: object) -> bool:
    """A flag; blank is false."""
    plain = (text(raw) or "").lower()
    if plain in _TRUE:
        return True
    if plain in _FALSE:
        return False
    raise Unparsable


_PARSERS: dict[ColumnType, Callable[[object], Value]] = {
    ColumnType.TEXT: text,
    ColumnType.INTEGER: integer,
    ColumnType.NUMBER: number,
    ColumnType.DECIMAL: decimal,
    ColumnType.BOOLEAN: boolean,
}
