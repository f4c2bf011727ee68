"""A job's stored result on a terminal: its figures, and how long its lists are."""

from __future__ import annotations

from worker.ledger.models import JsonObject

# More entries than that are counted only: a first run may have put hundreds into workflow.
_LISTED = 10


def result_lines(result: JsonObject) -> tuple[str, ...]:
    """One line a member under its stored name, single values first; entries of short lists too."""
    # The database keeps a document's members in an order of its own.
    members = sorted(result.items(), key=lambda item: isinstance(item[1], list | dict))
    return tuple(line for name, value in members for line in _member(name, value))


def _member(name: str, value: object) -> tuple[str, ...]:
    match value:
        case list() if not value or len(value) > _LISTED:
            return (f"{name} {len(value)}",)
        case list() if any(isinstance(one, dict) for one in value):
            return (f"{name} {len(value)}", *(f"  {_in_one_line(one)}" for one in value))
        case list():
            return (f"{name} {len(value)}: {', '.join(map(str, value))}",)
        case _:
            return (f"{name} {_in_one_line(value)}",)


def _in_one_line(value: object) -> str:
    match value:
        case dict():
            return "  ".join(f"{name}={_figure(one)}" for name, one in value.items()) or "-"
        case None:
            return "-"
        case _:
            return str(value)


def _figure(value: object) -> str:
    """A single value; of anything that holds several, how many."""
    return str(len(value)) if isinstance(value, list | dict) else _in_one_line(value)
