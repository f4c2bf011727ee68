"""As much of CloudWatch Logs Insights as the saved queries use, over the lines of a worker.

Commands: fields, filter, stats … by, sort, limit. Conditions: =, !=, in, ispresent(), and.
Functions: count(*), latest, earliest, max, avg. A field that a line does not have is absent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

Row = Mapping[str, object]
QUERIES = Path(__file__).parents[2] / "infra" / "queries"

_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
_CONDITION = re.compile(r"\s*([\w.@]+)\s*(!=|=|in)\s*(.+?)\s*$", re.DOTALL)
_STATISTIC = re.compile(r"\s*(\w+)\((\*|[\w.@]+)\)\s*(?:as\s+(\w+))?\s*$")
_KEY = re.compile(r"\s*([\w.@]+)\s*(?:as\s+(\w+))?\s*$")
_FIELD = re.compile(r"[\w.@]+")

_FUNCTIONS: dict[str, Callable[[Sequence[object]], object]] = {
    "count": len,
    "latest": lambda values: values[-1] if values else None,
    "earliest": lambda values: values[0] if values else None,
    "max": lambda values: max(_numbers(values)),
    "avg": lambda values: fmean(_numbers(values)),
}


def saved_query(name: str) -> str:
    """The text of a query that operators find ready in CloudWatch."""
    return (QUERIES / f"{name}.insights").read_text(encoding="utf-8")


def run(query: str, lines: Sequence[Mapping[str, object]]) -> list[Row]:
    """The rows that Insights would answer with, of lines in the order of their writing."""
    rows: list[Row] = [_flat(line) for line in lines]
    shown: list[str] | None = None
    for text in _COMMENT.sub("", query).split("|"):
        command, _, rest = text.strip().partition(" ")
        match command:
            case "fields":
                shown = [part.strip() for part in rest.split(",")]
            case "filter":
                rows = [row for row in rows if _holds(rest, row)]
            case "stats":
                rows, shown = _stats(rest, rows), None
            case "sort":
                rows = _sorted(rest, rows)
            case "limit":
                rows = rows[: int(rest)]
            case _:
                raise ValueError(f"the interpreter does not know {command!r}")
    if shown is None:
        return rows
    return [{name: row[name] for name in shown if name in row} for row in rows]


def named_fields(query: str) -> set[str]:
    """Every field of a line that the query names: without functions, values and aliases."""
    bare = re.sub(r'"[^"]*"', " ", _COMMENT.sub("", query))
    aliases = set(re.findall(r"\bas\s+(\w+)", bare))
    words = set(_FIELD.findall(re.sub(r"\w+\(\*?", " ", bare)))
    commands = {
        "fields",
        "filter",
        "stats",
        "sort",
        "limit",
        "by",
        "as",
        "and",
        "in",
        "asc",
        "desc",
    }
    return {word for word in words - aliases - commands if not word.isdigit()}


def _flat(line: Mapping[str, object]) -> Row:
    row: dict[str, object] = {}
    for name, value in line.items():
        if isinstance(value, Mapping):
            row.update({f"{name}.{inner}": one for inner, one in _flat(value).items()})
        elif value is not None:
            # Insights keeps a name of its own that begins with @; ours gets a second one.
            row[f"@{name}" if name.startswith("@") else name] = value
    row["@timestamp"] = line.get("@timestamp")
    return row


def _holds(conditions: str, row: Row) -> bool:
    return all(_one_holds(one, row) for one in re.split(r"\s+and\s+", conditions))


def _one_holds(condition: str, row: Row) -> bool:
    present = re.fullmatch(r"\s*ispresent\(([\w.@]+)\)\s*", condition)
    if present:
        return present[1] in row
    found = _CONDITION.match(condition)
    if found is None:
        raise ValueError(f"the interpreter cannot read the condition {condition!r}")
    name, operator, given = found.groups()
    values = re.findall(r'"([^"]*)"', given)
    is_among = name in row and str(row[name]) in values
    return not is_among if operator == "!=" else is_among


def _stats(rest: str, rows: Sequence[Row]) -> list[Row]:
    functions, _, by = rest.partition(" by ")
    keys = [found for part in by.split(",") if (found := _KEY.match(part))]
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(key[1]) for key in keys), []).append(row)
    answer: list[Row] = []
    for values, members in groups.items():
        row = {key[2] or key[1]: value for key, value in zip(keys, values, strict=True)}
        for part in functions.split(","):
            statistic = _STATISTIC.match(part)
            if statistic is None:
                raise ValueError(f"the interpreter cannot read the statistic {part!r}")
            function, of, alias = statistic.groups()
            taken = [one if of == "*" else one[of] for one in members if of == "*" or of in one]
            row[alias or f"{function}({of})"] = _FUNCTIONS[function](taken)
        answer.append({name: value for name, value in row.items() if value is not None})
    return answer


def _sorted(rest: str, rows: Sequence[Row]) -> list[Row]:
    name, _, direction = rest.strip().partition(" ")
    with_it = [row for row in rows if name in row]
    return sorted(with_it, key=lambda row: _order(row[name]), reverse=direction.strip() == "desc")


def _order(value: object) -> tuple[float, str]:
    return (value, "") if isinstance(value, int | float) else (0.0, str(value))


def _numbers(values: Sequence[object]) -> list[float]:
    return [value for value in values if isinstance(value, int | float)]
