"""A row of a table as one line of CSV, written by the database itself.

Each value is formatted by the type of its column, so that nothing depends on a driver, a locale or
a time zone, and no number is rounded. ADR 0012 says why the server does it.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

# PostgreSQL's own text for what lies outside: no other form is defined for it.
_FIRST_YEAR, _LAST_YEAR = "0001-01-01", "9999-12-31 23:59:59.999999"
_INTEGERS = frozenset({"int2", "int4", "int8", "oid"})
# Types that a cast writes as their output function does; the cast is faster.
_TEXTS = frozenset({"text", "varchar", "uuid"})

_PLAIN = sql.SQL("{column}::text")
_NUMERIC = sql.SQL("trim_scale(nullif({column}::numeric, 'NaN'))::text")
# As readers know it: plain digits from 0.000001 up to 21 places, an exponent outside; NaN empty.
_FLOAT = sql.SQL(
    "CASE WHEN {number} = 'NaN' THEN NULL"
    " WHEN abs({number}) >= 1e21 OR abs({number}) < 1e-6 AND {number} <> 0"
    " THEN replace({column}::text, 'e-0', 'e-')"
    " ELSE trim_scale({column}::text::numeric)::text END"
)
_DOUBLE = sql.SQL("{column}::float8")
# A float4 stands for its own shortest digits, not for those of the float8 nearest to it.
_SINGLE = sql.SQL("{column}::text::float8")
_DATE = sql.SQL("replace({column}::date::text, 'infinity', 'Infinity')")
_TIMESTAMP = sql.SQL(
    "CASE WHEN {column} BETWEEN {first} AND {last} THEN to_char({column}, {form})"
    " ELSE replace({column}::text, 'infinity', 'Infinity') END"
)
_TIMESTAMP_OR_DATE = sql.SQL(
    "CASE WHEN {column} BETWEEN {first} AND {last} THEN to_char({column},"
    " CASE WHEN {column}::time < '00:00:00.001' THEN 'YYYY-MM-DD' ELSE {form} END)"
    " ELSE replace({column}::text, 'infinity', 'Infinity') END"
)
_UTC = sql.SQL("({column}::timestamptz AT TIME ZONE 'UTC')")
_WALL_TIME = sql.SQL("({column}::timestamp)")
_ISO_FORM = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'

_BYTES = sql.SQL("('\\x' || encode({column}::bytea, 'hex'))")
_INTERVAL = sql.SQL("{column}::interval::text")
_ARRAY = sql.SQL("to_jsonb({column})::text")
# The output function, which a cast to text replaces for some types (bpchar, inet).
_OUTPUT = sql.SQL("CASE WHEN {column} IS NOT NULL THEN concat({column}) END")

# A document keeps its member order and its numbers; only white space between tokens changes. First
# all of it goes; then one space follows each colon, comma and string; then those after strings go.
# Each pass takes every string whole, or what is inside would be found as well.
_JSON_TEXT = sql.SQL(
    r"""regexp_replace(regexp_replace(regexp_replace({column}::json::text,"""
    r""" '("(?:[^"\\]|\\.)*")|\s+', '\1', 'g'),"""
    r""" '("(?:[^"\\]|\\.)*")([:,]?)|([:,])', '\1\2\3 ', 'g'),"""
    r""" '("(?:[^"\\]|\\.)*") ?', '\1', 'g')"""
)
_JSONB_TEXT = sql.SQL("{column}::jsonb::text")
# No text has NUL or half of a surrogate pair, but a string of type json may: that one stays as JSON
# writes it, or its schema could never be exported. Other escapes and whole pairs go first.
_JSON_STRING = sql.SQL(
    r"""CASE WHEN regexp_replace({column}::text,"""
    r""" '\\[^u]|\\u[dD][89abAB]..\\u[dD][c-fC-F]..', '', 'g') ~ '\\u(0000|[dD][89a-fA-F])'"""
    r""" THEN {text_quoted} ELSE {scalar_quoted} END"""
)
_DOCUMENT = sql.SQL(
    "CASE {kind}({column})"
    " WHEN 'string' THEN {string}"
    " WHEN 'number' THEN trim_scale({scalar}::numeric)::text"
    " WHEN 'boolean' THEN {scalar}"
    " WHEN 'null' THEN NULL"
    " ELSE {text_quoted} END"
)

_QUOTED = sql.SQL("""'"' || replace({text}, '"', '""') || '"'""")


@dataclass(frozen=True, slots=True)
class Column:
    """A column: ``base_type`` is the type's own name, that of the base type for a domain."""

    name: str
    base_type: str
    is_array: bool = False


@dataclass(frozen=True, slots=True)
class LineStyle:
    """How readers of older exports want it: a midnight as a date, an empty text as no value."""

    legacy_midnight: bool = False
    legacy_empty: bool = False


def header(columns: tuple[Column, ...]) -> bytes:
    """The first line: the columns' names, exactly as the database has them."""
    names = (column.name.replace('"', '""') for column in columns)
    return ",".join(f'"{name}"' for name in names).encode() + b"\n"


def line(columns: tuple[Column, ...], style: LineStyle) -> sql.Composable:
    """An SQL expression of type text: the row as a line of CSV, with its line feed."""
    values: list[sql.Composable] = [
        sql.SQL("coalesce({}, '')").format(_field(column, style)) for column in columns
    ] or [sql.SQL("''")]
    return sql.SQL("{} || E'\\n'").format(sql.SQL("\n || ',' || ").join(values))


def _field(column: Column, style: LineStyle) -> sql.Composable:
    """The value's text in the line; NULL if there is nothing between the separators."""
    name = sql.Identifier(column.name)
    if column.is_array:
        return _quoted(_ARRAY.format(column=name))
    match column.base_type:
        case "bool":
            return _PLAIN.format(column=name)
        case "numeric":
            return _NUMERIC.format(column=name)
        case "float8":
            return _FLOAT.format(column=name, number=_DOUBLE.format(column=name))
        case "float4":
            return _FLOAT.format(column=name, number=_SINGLE.format(column=name))
        case "date":
            return _DATE.format(column=name)
        case "timestamp":
            return _time(_WALL_TIME.format(column=name), style)
        case "timestamptz":
            return _time(_UTC.format(column=name), style)
        case "json" | "jsonb":
            return _document(column.base_type, name, style)
        case "bytea":
            return _quoted(_BYTES.format(column=name))
        case "interval":
            return _quoted(_INTERVAL.format(column=name))
        case integer if integer in _INTEGERS:
            return _PLAIN.format(column=name)
        case text if text in _TEXTS:
            return _text(_PLAIN.format(column=name), style)
        case _:
            return _text(_OUTPUT.format(column=name), style)


def _time(value: sql.Composable, style: LineStyle) -> sql.Composable:
    template = _TIMESTAMP_OR_DATE if style.legacy_midnight else _TIMESTAMP
    return template.format(
        column=value,
        first=sql.SQL("{}::timestamp").format(sql.Literal(_FIRST_YEAR)),
        last=sql.SQL("{}::timestamp").format(sql.Literal(_LAST_YEAR)),
        form=sql.Literal(_ISO_FORM),
    )


def _document(base_type: str, name: sql.Identifier, style: LineStyle) -> sql.Composable:
    """A scalar is what it stands for; an object or array is its text, quoted."""
    is_binary = base_type == "jsonb"
    value = sql.SQL("{}::{}").format(name, sql.SQL("jsonb") if is_binary else sql.SQL("json"))
    scalar = sql.SQL("(({}) #>> ARRAY[]::text[])").format(value)
    text_quoted = _quoted((_JSONB_TEXT if is_binary else _JSON_TEXT).format(column=name))
    string = _text(scalar, style)
    if not is_binary:
        string = _JSON_STRING.format(column=value, text_quoted=text_quoted, scalar_quoted=string)
    return _DOCUMENT.format(
        kind=sql.SQL("jsonb_typeof" if is_binary else "json_typeof"),
        column=value,
        scalar=scalar,
        string=string,
        text_quoted=text_quoted,
    )


def _text(text: sql.Composable, style: LineStyle) -> sql.Composable:
    if style.legacy_empty:
        text = sql.SQL("nullif({}, '')").format(text)
    return _quoted(text)


def _quoted(text: sql.Composable) -> sql.Composable:
    return _QUOTED.format(text=text)
