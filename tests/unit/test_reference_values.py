"""Values of sources become typed values, and what is wrong with them is counted."""

from __future__ import annotations

from decimal import Decimal

import pytest

from worker.reference.layers import Column, ColumnType
from worker.reference.values import ColumnReader, Value


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (ColumnType.TEXT, " a\tb \n", "a\tb"),
        (ColumnType.TEXT, "\u00a0", None),
        (ColumnType.TEXT, 12, "12"),
        (ColumnType.TEXT, "nul\x00l", "null"),
        (ColumnType.NUMBER, "0.25", 0.25),
        (ColumnType.NUMBER, 7, 7.0),
        (ColumnType.NUMBER, "", None),
        (ColumnType.NUMBER, None, None),
        (ColumnType.INTEGER, "\t9602", 9602),
        (ColumnType.INTEGER, 12.0, 12),
        (ColumnType.DECIMAL, "1.10", Decimal("1.10")),
        (ColumnType.BOOLEAN, 1, True),
        (ColumnType.BOOLEAN, "False", False),
        (ColumnType.BOOLEAN, None, False),
    ],
)
def test_value_is_read_as_its_type(kind: ColumnType, raw: object, value: Value) -> None:
    reader = ColumnReader(Column("it", kind))

    assert reader.read(1, raw) == value
    assert reader.unparsable.count == 0


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (ColumnType.NUMBER, "f"),
        (ColumnType.NUMBER, "1,5"),
        (ColumnType.NUMBER, "nan"),
        (ColumnType.NUMBER, float("inf")),
        (ColumnType.INTEGER, "12.5"),
        (ColumnType.INTEGER, 2**31),
        (ColumnType.DECIMAL, "NaN"),
        (ColumnType.DECIMAL, "£5"),
        (ColumnType.BOOLEAN, "maybe"),
        (ColumnType.TEXT, b"\x01"),
    ],
)
def test_value_that_does_not_parse_is_null_and_remembered(kind: ColumnType, raw: object) -> None:
    reader = ColumnReader(Column("it", kind))

    assert reader.read(3, raw) is None
    assert reader.unparsable.samples == [f"row 3: {raw!r}"]
    assert reader.missing.count == 1


def test_only_the_first_few_places_are_remembered_but_all_are_counted() -> None:
    reader = ColumnReader(Column("it", ColumnType.NUMBER, minimum=0, maximum=10))

    for row in range(1, 101):
        reader.read(row, 10 + row / 10)

    assert reader.outside.count == 100
    assert reader.outside.samples[0] == "row 1: 10.1"
    assert len(reader.outside.samples) == 5


def test_limits_of_a_range_belong_to_it() -> None:
    reader = ColumnReader(Column("it", ColumnType.NUMBER, minimum=0, maximum=10))

    assert [reader.read(1, raw) for raw in (0, 10, None)] == [0, 10, None]
    assert reader.outside.count == 0
