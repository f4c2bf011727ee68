"""Shapefiles' tables: what a damaged one would lose or change silently is refused instead."""

from __future__ import annotations

import struct

import pytest

from tests.fakes.boundaries import Columns, Shapefile, square
from tests.fakes.boundary_reading import read, refusal
from worker.boundary.model import BoundaryFeature

COLUMNS: Columns = {
    "Dwellings": ("N", 9, [11, 7]),
    "Name": ("C", 20, ["Smee Lane", "Mill Lane"]),
    "Source": ("C", 12, ["plan", "plan"]),
}
SITES = Shapefile(shapes=([square()], [square(621_000)]), columns=COLUMNS)
# Of three columns: descriptors end at 128, rows begin at 129 and have 42 bytes.
HEADER_BYTES, ROW_BYTES = 129, 42


def table(offset: int, form: str, value: int | bytes) -> bytes:
    """The table with other bytes at one place."""
    content = bytearray(SITES.parts()[".dbf"])
    struct.pack_into(form, content, offset, value)
    return bytes(content)


def only(shapefile: Shapefile) -> BoundaryFeature:
    [feature] = read(shapefile.zipped()).features
    return feature


def cell(kind: str, text: str, *, column: str = "Dwellings") -> Shapefile:
    """One site with one attribute, written as it stands."""
    return Shapefile(columns={column: (kind, 19, [text])})


def test_the_layout_that_these_tests_rely_on() -> None:
    rows, header, row = struct.unpack_from("<IHH", SITES.parts()[".dbf"], 4)
    assert (rows, header, row) == (2, HEADER_BYTES, ROW_BYTES)
    assert [one.dwellings for one in read(SITES.zipped()).features] == [11, 7]


@pytest.mark.parametrize("stated", [0, 10, 32, 33, 64, 65, 97, 127, 128, 130, 140])
def test_a_header_of_another_length_would_lose_or_shift_every_attribute(stated: int) -> None:
    content = table(8, "<H", stated)
    # With bytes to spare, so that the length of the file gives nothing away.
    error = refusal(SITES.zipped(dbf=content + b" " * 500))
    assert error.code == "boundary_unreadable"
    assert ".dbf" in error.sentence


@pytest.mark.parametrize("stated", [0, 1, 10, 41, 43, 84])
def test_rows_of_another_length_would_lose_features(stated: int) -> None:
    error = refusal(SITES.zipped(dbf=table(10, "<H", stated) + b" " * 500))
    assert error.code == "boundary_unreadable"


@pytest.mark.parametrize("width", [0, 8, 10, 200])
def test_a_column_of_another_width_would_shift_the_ones_after_it(width: int) -> None:
    assert refusal(SITES.zipped(dbf=table(48, "<B", width))).code == "boundary_unreadable"


def test_columns_that_end_early_are_refused() -> None:
    assert refusal(SITES.zipped(dbf=table(64, "<B", 0x0D))).code == "boundary_unreadable"


@pytest.mark.parametrize("name", [b"Dwellings", b"DWELLINGS"])
def test_two_columns_of_one_name_are_refused(name: bytes) -> None:
    error = refusal(SITES.zipped(dbf=table(64, "11s", name)))
    assert error.code == "boundary_unreadable"
    assert "two columns" in error.sentence


def test_a_header_without_its_end_mark_is_read() -> None:
    """Some programs leave it out; the rows then begin where the columns end."""
    content = bytearray(SITES.parts()[".dbf"])
    struct.pack_into("<H", content, 8, HEADER_BYTES - 1)
    del content[128]
    assert [one.dwellings for one in read(SITES.zipped(dbf=bytes(content))).features] == [11, 7]


def test_a_header_with_zeros_after_its_end_mark_is_read() -> None:
    content = bytearray(SITES.parts()[".dbf"])
    struct.pack_into("<H", content, 8, HEADER_BYTES + 1)
    content.insert(HEADER_BYTES, 0)
    assert [one.dwellings for one in read(SITES.zipped(dbf=bytes(content))).features] == [11, 7]


@pytest.mark.parametrize("date", ["20261399", "00000000", "not one", "\x00" * 8])
def test_an_impossible_date_in_a_column_that_nobody_reads_does_no_harm(date: str) -> None:
    columns: Columns = {"Drawn": ("D", 8, [date]), "Dwellings": ("N", 5, [4])}
    assert only(Shapefile(columns=columns)).dwellings == 4


def test_bytes_of_no_character_in_a_number_that_nobody_reads_do_no_harm() -> None:
    columns: Columns = {"Area": ("N", 9, ["9\x93."]), "Dwellings": ("N", 5, [4])}
    assert only(Shapefile(columns=columns, encoding="iso-8859-1")).dwellings == 4


@pytest.mark.parametrize(
    ("kind", "text", "dwellings"),
    [
        ("N", "11", 11),
        ("N", "       11", 11),
        ("N", "+11", 11),
        ("N", "11.", 11),
        ("F", "11.000", 11),
        ("F", "1.10000000000e+001", 11),
        ("N", "", None),
        ("N", "*******************", None),
        ("F", "0", 0),
    ],
)
def test_numbers_are_read_as_they_are_written(kind: str, text: str, dwellings: int | None) -> None:
    assert only(cell(kind, text)).dwellings == dwellings


@pytest.mark.parametrize("text", ["11x", "1 1", "1,100", "11-", "0x0b", "1_1", "nan", "1e999", "."])
def test_a_number_is_not_read_by_its_beginning(text: str) -> None:
    assert refusal(cell("N", text).zipped()).code == "dwellings_invalid"


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [("N", "12", "12"), ("F", "7.00", "7"), ("F", "8.50", "8.5"), ("C", "007", "007")],
)
def test_a_number_in_a_column_of_text_is_shown_plainly(kind: str, text: str, shown: str) -> None:
    assert only(cell(kind, text, column="id")).id == shown


def test_a_shapefile_whose_every_row_was_deleted_holds_nothing() -> None:
    content = bytearray(SITES.parts()[".dbf"])
    for row in range(2):
        content[HEADER_BYTES + row * ROW_BYTES] = ord("*")
    assert refusal(SITES.zipped(dbf=bytes(content))).code == "geometry_empty"


@pytest.mark.parametrize("kind", ["I", "+", "B", "O", "Y", "M", "@", "i"])
@pytest.mark.parametrize("cell", [struct.pack("<i", 53), struct.pack("<i", 10), b"  53"])
@pytest.mark.parametrize("column", [b"Dwellings", b"Name"])
def test_a_column_of_another_type_is_not_read_as_text(
    kind: str, cell: bytes, column: bytes
) -> None:
    """Byte 53 is the character 5, and 10 is a line break: as a number of dwellings, no value."""
    shapefile = Shapefile(columns={column.decode(): (kind, 4, [""])})
    content = shapefile.parts()[".dbf"].replace(b" " * 4 + b"\x1a", cell + b"\x1a")
    error = refusal(shapefile.zipped(dbf=content))
    assert error.code == "boundary_unreadable"
    assert f"column {column.decode()} of a type ({kind})" in error.sentence


@pytest.mark.parametrize("kind", ["I", "+", "B", "M", "\x00"])
def test_a_column_of_another_type_that_nobody_reads_does_no_harm(kind: str) -> None:
    columns: Columns = {"Key": (kind, 4, ["x\x00yz"]), "Dwellings": ("N", 5, [4])}
    assert only(Shapefile(columns=columns)).dwellings == 4


@pytest.mark.parametrize("kind", ["N", "F", "C"])
@pytest.mark.parametrize("text", ["1\x005", "\x00\x00125", "12\x00 5", "1\x00\t"])
def test_a_value_is_not_cut_at_a_nul(kind: str, text: str) -> None:
    error = refusal(cell(kind, text).zipped())
    assert error.code == "boundary_unreadable"
    assert "column Dwellings" in error.sentence


def test_a_name_is_not_cut_at_a_nul_in_any_row() -> None:
    columns: Columns = {"Name": ("C", 9, ["Mill Lane", "Mill\x00Ln"]), "id": ("C", 2, ["a", "b"])}
    error = refusal(Shapefile(shapes=SITES.shapes, columns=columns).zipped())
    assert error.code == "boundary_unreadable"
    assert "column Name" in error.sentence


@pytest.mark.parametrize(
    ("kind", "text", "dwellings"),
    [
        ("N", "125" + "\x00" * 16, 125),
        ("N", "125\x00  \x00 ", 125),
        ("C", "125\x00", 125),
        ("N", "\x00" * 19, None),
        ("C", "\x00   ", None),
    ],
)
def test_nuls_may_fill_a_cell(kind: str, text: str, dwellings: int | None) -> None:
    assert only(cell(kind, text)).dwellings == dwellings


def test_a_nul_in_a_column_that_nobody_reads_or_a_deleted_row_does_no_harm() -> None:
    columns: Columns = {"Dwellings": ("C", 9, ["1\x005", "7"]), "Note": ("C", 3, ["x", "a\x00b"])}
    shapefile = Shapefile(shapes=SITES.shapes, columns=columns)
    content = bytearray(shapefile.parts()[".dbf"])
    content[32 * 3 + 1] = ord("*")
    [site] = read(shapefile.zipped(dbf=bytes(content))).features
    assert site.dwellings == 7
