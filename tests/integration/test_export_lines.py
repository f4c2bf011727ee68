"""What a value of each type looks like in an exported file."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.fakes.exports import read_csv
from worker.clients.db import Connection
from worker.demo.postgis import DatabaseServer
from worker.water.export_catalog import Table, contents
from worker.water.export_lines import LineStyle
from worker.water.export_read import TableFile

LEGACY = LineStyle(legacy_midnight=True, legacy_empty=True)


@pytest.fixture
def connection(empty_database_url: str) -> Iterator[Connection]:
    with psycopg.connect(empty_database_url) as connection:
        yield connection


def exported(
    connection: Connection, definition: str, *rows: str, style: LineStyle | None = None
) -> bytes:
    """The file of a table with these columns and rows (as SQL writes them)."""
    connection.execute("CREATE SCHEMA sample")
    connection.execute(f"CREATE TABLE sample.values ({definition})".encode())
    for row in rows:
        connection.execute(f"INSERT INTO sample.values VALUES ({row})".encode())
    connection.commit()
    with contents(connection, ("sample",)) as found:
        (table,) = found.tables["sample"]
        return b"".join(TableFile(connection, table, style or LineStyle(), lambda _: None))


def line(
    connection: Connection, definition: str, row: str, *, style: LineStyle | None = None
) -> str:
    """The line of one row, without its line feed."""
    content = exported(connection, definition, row, style=style).decode()
    assert content.endswith("\n")
    return content.partition("\n")[2].removesuffix("\n")


FIELDS = {
    "null text": ("text", "NULL", ""),
    "empty text": ("text", "''", '""'),
    "false": ("boolean", "false", "false"),
    "true": ("boolean", "true", "true"),
    "zero": ("integer", "0", "0"),
    "small integer": ("smallint", "-7", "-7"),
    "oid": ("oid", "42", "42"),
    "X4 bigint beyond a double": ("bigint", "9007199254740993", "9007199254740993"),
    "X4 numeric beyond a double": (
        "numeric",
        "12345678901234567890.12",
        "12345678901234567890.12",
    ),
    "numeric with trailing zeros": ("numeric(12,2)", "25002.00", "25002"),
    "numeric that ends in zeros": ("numeric", "1500", "1500"),
    "large numeric": ("numeric", "1e30", "1" + "0" * 30),
    "numeric NaN": ("numeric", "'NaN'", ""),
    "numeric infinity": ("numeric", "'-Infinity'", "-Infinity"),
    "float": ("float8", "-1.5", "-1.5"),
    "float with all its digits": ("float8", "0.1::float8 + 0.2", "0.30000000000000004"),
    "float NaN": ("float8", "'NaN'", ""),
    "float infinity": ("float8", "'Infinity'", "Infinity"),
    "large float": ("float8", "1e21", "1e+21"),
    "float of 21 digits": ("float8", "123456789012345680000", "123456789012345680000"),
    "small float": ("float8", "0.000001", "0.000001"),
    "smaller float": ("float8", "1e-7", "1e-7"),
    "smallest float": ("float8", "5e-324", "5e-324"),
    "negative zero": ("float8", "'-0'", "0"),
    "single": ("real", "0.1", "0.1"),
    "small single": ("real", "0.000001", "0.000001"),
    "single NaN": ("real", "'NaN'", ""),
    "date": ("date", "'2024-02-29'", "2024-02-29"),
    "endless date": ("date", "'infinity'", "Infinity"),
    "date before our era": ("date", "'0044-03-15 BC'", "0044-03-15 BC"),
    "timestamp": ("timestamp", "'2026-01-31 09:05:07.123'", "2026-01-31T09:05:07.123Z"),
    "X6 timestamp at midnight": ("timestamp", "'2024-02-29'", "2024-02-29T00:00:00.000Z"),
    "timestamp with microseconds": (
        "timestamp",
        "'2026-03-04 10:11:12.013999'",
        "2026-03-04T10:11:12.013Z",
    ),
    "timestamp with a zone": (
        "timestamptz",
        "'2026-06-15 00:30:00+01:00'",
        "2026-06-14T23:30:00.000Z",
    ),
    "endless timestamp": ("timestamptz", "'-infinity'", "-Infinity"),
    "timestamp before our era": ("timestamp", "'0044-03-15 12:00 BC'", "0044-03-15 12:00:00 BC"),
    "timestamp after year 9999": ("timestamp", "'12026-01-01'", "12026-01-01 00:00:00"),
    "time": ("time", "'09:05:07'", '"09:05:07"'),
    "comma": ("text", "'a,b'", '"a,b"'),
    "quotes": ("text", "'say \"x\"'", '"say ""x"""'),
    "two quotes": ("text", "'\"\"'", '""""""'),
    "backslash": ("text", r"'back\slash'", r'"back\slash"'),
    "several lines": ("text", "E'one\\ntwo\\r\\nthree'", '"one\ntwo\r\nthree"'),
    "tab": ("text", "E'a\\tb'", '"a\tb"'),
    "formula": ("text", "'=1+1'", '"=1+1"'),
    "not ASCII": ("text", "'£é😀'", '"£é😀"'),
    "end of data marker": ("text", r"'\.'", r'"\."'),
    "varchar": ("varchar(255)", "'7.2'", '"7.2"'),
    "padded": ("char(4)", "'ab'", '"ab  "'),
    "uuid": (
        "uuid",
        "'0f8fad5b-d9cb-469f-a165-70867728950e'",
        '"0f8fad5b-d9cb-469f-a165-70867728950e"',
    ),
    "address": ("inet", "'192.0.2.1'", '"192.0.2.1"'),
    "range": ("int4range", "'[1,5)'", '"[1,5)"'),
    "bytes": ("bytea", "'ab'", r'"\x6162"'),
    "interval": ("interval", "'1 year 2 days 03:04:05'", '"P1Y2DT3H4M5S"'),
    "array": ("text[]", "ARRAY['1', 'a', NULL]", '"[""1"", ""a"", null]"'),
    "array of numbers": ("int[]", "'{1,2}'", '"[1, 2]"'),
    "empty array": ("int[]", "'{}'", '"[]"'),
    "null array": ("int[]", "NULL", ""),
    "jsonb": ("jsonb", """'{"k":"v"}'""", '"{""k"": ""v""}"'),
    "jsonb with times": (
        "jsonb",
        """'{"t":"12:30","n":[1,2]}'""",
        '"{""n"": [1, 2], ""t"": ""12:30""}"',
    ),
    "json keeps its order": (
        "json",
        """'{ "t" : "12:30,\\" x" ,"n":[1,2], "e":{}, "t":"again"}'""",
        '"{""t"": ""12:30,\\"" x"", ""n"": [1, 2], ""e"": {}, ""t"": ""again""}"',
    ),
    "json keeps numbers": ("json", "'[12345678901234567890.10]'", '"[12345678901234567890.10]"'),
    "json text": ("jsonb", "'\"x\"'", '"x"'),
    "json text with a pair": ("json", r"""'"\ud83d\ude00"'""", '"😀"'),
    "json text with an escaped backslash": ("json", r"""'"\\u0000"'""", r'"\u0000"'),
    "json text with NUL": ("json", r"""' "a\n\u0000" '""", r'"""a\n\u0000"""'),
    "json text with half of a pair": ("json", r"""'"\ude00\ud83d"'""", r'"""\ude00\ud83d"""'),
    "json number": ("json", "'5.50'", "5.5"),
    "json true": ("jsonb", "'true'", "true"),
    "json null": ("json", "'null'", ""),
    "no json": ("jsonb", "NULL", ""),
}


@pytest.fixture(scope="module")
def lines(postgis: DatabaseServer) -> Iterator[dict[str, str]]:
    """Each field of FIELDS, from a table with one column of its type."""
    url = postgis.create_database("export-fields")
    found: dict[str, str] = {}
    with psycopg.connect(url) as connection:
        connection.execute("CREATE SCHEMA sample")
        for index, (kind, value, _) in enumerate(FIELDS.values()):
            connection.execute(f"CREATE TABLE sample.t{index:03} (v {kind})".encode())
            connection.execute(f"INSERT INTO sample.t{index:03} VALUES ({value})".encode())
        connection.commit()
        with contents(connection, ("sample",)) as there:
            for name, table in zip(FIELDS, there.tables["sample"], strict=True):
                found[name] = _line_of(connection, table)
    yield found
    postgis.drop_database("export-fields")


def _line_of(connection: Connection, table: Table) -> str:
    content = b"".join(TableFile(connection, table, LineStyle(), lambda _: None)).decode()
    header, _, rest = content.partition("\n")
    assert header == '"v"'
    assert rest.endswith("\n")
    return rest.removesuffix("\n")


@pytest.mark.parametrize("name", FIELDS)
def test_a_value_is_written_by_the_type_of_its_column(name: str, lines: dict[str, str]) -> None:
    """X3; the names of X4 and X6 say so."""
    assert lines[name] == FIELDS[name][2]


def test_a_whole_row(connection: Connection) -> None:
    """X3."""
    definition = (
        "id uuid, clause text, quantity int, note text, at timestamptz, flag boolean, a int,"
        " b text, c boolean, d int, e float8, meta json"
    )
    row = (
        "'0f8fad5b-d9cb-469f-a165-70867728950e', '7.2', 150,"
        " 'Trickle \"high\" loss, zone 3', '2026-01-31 09:05:07.123Z', true, NULL, NULL, false,"
        """ 0, -1.5, '{"k":"v"}'"""
    )

    assert line(connection, definition, row) == (
        '"0f8fad5b-d9cb-469f-a165-70867728950e","7.2",150,"Trickle ""high"" loss, zone 3",'
        '2026-01-31T09:05:07.123Z,true,,,false,0,-1.5,"{""k"": ""v""}"'
    )


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('ab:,"\\\\{[ \n£', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text('k:,"\\\\ ', max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
).filter(lambda document: isinstance(document, list | dict))


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([([":", ",", ' "'], None)])
@given(st.lists(st.tuples(DOCUMENTS, st.sampled_from([None, 0, 3])), min_size=1, max_size=30))
def test_a_document_is_the_same_with_other_spaces(
    connection: Connection, documents: list[tuple[object, int | None]]
) -> None:
    connection.execute("DROP SCHEMA IF EXISTS sample CASCADE; CREATE SCHEMA sample")
    connection.execute("CREATE TABLE sample.documents (number int, document json)")
    for number, (document, indent) in enumerate(documents):
        written = json.dumps(document, indent=indent, separators=(",", " :"), ensure_ascii=False)
        connection.execute("INSERT INTO sample.documents VALUES (%s, %s)", (number, written))
    connection.commit()
    with contents(connection, ("sample",)) as found:
        (table,) = found.tables["sample"]
        content = b"".join(TableFile(connection, table, LineStyle(), lambda _: None))
    connection.autocommit = False
    connection.read_only = None

    assert [row[1] for row in read_csv(content)[1:]] == [
        json.dumps(document, ensure_ascii=False) for document, _ in documents
    ]


ROWS = st.tuples(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**25), max_value=10**25),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROWS, min_size=1, max_size=30))
def test_numbers_and_texts_are_exact(
    connection: Connection, rows: list[tuple[float, float, Decimal, str]]
) -> None:
    connection.execute("DROP SCHEMA IF EXISTS sample CASCADE; CREATE SCHEMA sample")
    connection.execute("CREATE TABLE sample.exact (d float8, s float4, n numeric, t text)")
    connection.cursor().executemany("INSERT INTO sample.exact VALUES (%s, %s, %s, %s)", rows)
    connection.commit()
    with contents(connection, ("sample",)) as found:
        (table,) = found.tables["sample"]
        content = b"".join(TableFile(connection, table, LineStyle(), lambda _: None))
    connection.autocommit = False
    connection.read_only = None

    exported = read_csv(content)[1:]
    for (double, single, number, text), row in zip(rows, exported, strict=True):
        assert float(row[0]) == double
        assert struct.pack("f", float(row[1])) == struct.pack("f", single + 0.0)
        assert Decimal(row[2]) == number
        assert "e" not in row[2].lower()
        assert row[3] == text


def test_readers_get_every_text_back(connection: Connection) -> None:
    """X7."""
    texts = ['say "x", twice', "one\r\ntwo\nthree", "£é😀", "", " ", "\\.", "'"]
    connection.execute("CREATE SCHEMA sample; CREATE TABLE sample.texts (id int, t text)")
    for number, text in enumerate(texts):
        connection.execute("INSERT INTO sample.texts VALUES (%s, %s)", (number, text))
    connection.commit()

    with contents(connection, ("sample",)) as found:
        (table,) = found.tables["sample"]
        content = b"".join(TableFile(connection, table, LineStyle(), lambda _: None))

    assert [row[1] for row in read_csv(content)[1:]] == texts


def test_names_of_columns_are_those_of_the_database_above_their_values(
    connection: Connection,
) -> None:
    """X8."""
    content = exported(
        connection,
        'x_1 int, x__1 int, "Mixed Case" int, "order" int, dropped int, "a""b" int',
        "1, 2, 3, 4, 0, 5",
    )
    assert content.splitlines()[0] == b'"x_1","x__1","Mixed Case","order","dropped","a""b"'
    assert content.splitlines()[1] == b"1,2,3,4,0,5"


def test_a_dropped_column_leaves_no_gap(connection: Connection) -> None:
    connection.execute("CREATE SCHEMA sample; CREATE TABLE sample.t (a int, b int, c int)")
    connection.execute("INSERT INTO sample.t VALUES (1, 2, 3); ALTER TABLE sample.t DROP COLUMN b")
    connection.commit()

    with contents(connection, ("sample",)) as found:
        (table,) = found.tables["sample"]
        content = b"".join(TableFile(connection, table, LineStyle(), lambda _: None))

    assert content == b'"a","c"\n1,3\n'


def test_a_table_without_rows_is_its_header(connection: Connection) -> None:
    """X2."""
    assert exported(connection, "licence_ref text, start_date date") == (
        b'"licence_ref","start_date"\n'
    )


def test_a_domain_is_written_as_the_type_behind_it(connection: Connection) -> None:
    connection.execute("CREATE DOMAIN money_amount AS numeric(10,2)")
    connection.execute("CREATE DOMAIN positive AS money_amount CHECK (VALUE > 0)")
    connection.execute("CREATE DOMAIN moment AS timestamptz")
    assert (
        line(
            connection,
            "a public.positive, m public.moment",
            "12.50, '2026-01-01 00:00+00'",
        )
        == "12.5,2026-01-01T00:00:00.000Z"
    )


def test_older_readers_get_midnight_as_a_date_and_an_empty_text_as_nothing(
    connection: Connection,
) -> None:
    """X6."""
    definition = "m timestamp, z timestamptz, n timestamp, t text, j jsonb"
    row = "'2024-02-29', '2024-02-29 01:00+01:00', '2024-02-29 00:00:00.001', '', '\"\"'"

    assert line(connection, definition, row, style=LEGACY) == (
        "2024-02-29,2024-02-29,2024-02-29T00:00:00.001Z,,"
    )


def test_nothing_depends_on_the_settings_of_the_role(empty_database_url: str) -> None:
    options = (
        "-c datestyle=German -c intervalstyle=sql_standard -c timezone=America/New_York"
        " -c extra_float_digits=-3 -c bytea_output=escape -c client_encoding=LATIN1"
    )
    definition = "d date, z timestamptz, i interval, f float8, b bytea, t text, o timetz"
    row = (
        "'2024-02-29', '2026-06-15 00:30Z', '1 day', 0.1::float8 + 0.2, 'ab',"
        " U&'\\+01F600', '12:00+02'"
    )
    with psycopg.connect(empty_database_url, options=options) as connection:
        assert line(connection, definition, row) == (
            '2024-02-29,2026-06-15T00:30:00.000Z,"P1D",0.30000000000000004,"\\x6162","😀",'
            '"12:00:00+02"'
        )
