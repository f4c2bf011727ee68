"""Writes docs/events.md: every event that the worker logs, as the code logs it.

Names, levels and fields are read from the calls in the source; when an event is logged is said
once, in the runbook's table. Run ``make events`` after either has changed: a test compares.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs" / "events.md"

_LEVELS = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "critical": "critical",
    "exception": "error",
}
_EXCEPTION = ("error.type", "error.message", "error.stack_trace")
_MORE = "…"
_ROW = re.compile(r"^\| ((?:`[a-z_]+\.[a-z_]+`(?:, )?)+) \| ([^|]*) \|", re.MULTILINE)
_HEAD = """# Events

Every line of the log is one JSON object. This page is written by `make events` from the calls in
the code and from the table in [runbook.md](runbook.md), which says what to do about an event.

On every line: `@timestamp`, `log.level`, `message` (the event's name), `log.logger`, `ecs.version`,
`service.name`, `service.version`, and for events of ours `event.action`. While a message is
handled: `correlation_id` and `trace.id`, the same. Once its job is known: `job_id`, `job_type`, and
from the claim on `attempt`. A library's line has its text as `message` and no `event.action`.

| our field | is also written as |
| --- | --- |
| `correlation_id` | `trace.id` |
| `duration_s` | `event.duration`, in nanoseconds |
| `reason` | `event.reason` |
| `error_code` | `error.code` |
| `error_sentence`, else `error_detail`, else `problem` | `error.message` |

`event.outcome` is `success` where the name says so (`job.succeeded`, `delivery.made`), and
`failure` on a warning or an error with a code or an exception. An exception is `error.type`,
`error.message` and `error.stack_trace`. Secrets, e-mail addresses, coordinates and bodies of
messages are redacted. Metrics are made of these events: [metrics.md](metrics.md).

| event | level | fields | when |
| --- | --- | --- | --- |
"""


@dataclass
class Event:
    """One event over all the places where it is logged."""

    name: str
    levels: set[str] = field(default_factory=set)
    fields: dict[str, None] = field(default_factory=dict)


class UnclearEvent(Exception):
    """A call whose event cannot be told from the source."""


def logged_events(root: Path = REPOSITORY / "worker") -> dict[str, Event]:
    """By name, what the modules under ``root`` log; the demo is no part of the service."""
    events: dict[str, Event] = {}
    for path in sorted(root.rglob("*.py")):
        if "demo" in path.relative_to(root).parts:
            continue
        module = _Module(ast.parse(path.read_text(encoding="utf-8")), path)
        for names, level, fields in module.calls():
            for name in names:
                event = events.setdefault(name, Event(name))
                event.levels.add(level)
                event.fields.update(dict.fromkeys(fields))
    return dict(sorted(events.items()))


def described(runbook: str) -> Mapping[str, str]:
    """When each event is logged, as the runbook's table says."""
    section = runbook.partition("## What the log says")[2].partition("\n## ")[0]
    return {
        name: meaning.strip()
        for names, meaning in _ROW.findall(section)
        for name in re.findall(r"`([^`]+)`", names)
    }


def page() -> str:
    """The whole of docs/events.md."""
    when = described((REPOSITORY / "docs" / "runbook.md").read_text(encoding="utf-8"))
    order = list(dict.fromkeys(_LEVELS.values()))
    rows = (
        f"| `{event.name}` | {', '.join(sorted(event.levels, key=order.index))}"
        f" | {_listed(event.fields)} | {when.get(event.name, '')} |\n"
        for event in logged_events().values()
    )
    return _HEAD + "".join(rows)


def _listed(fields: Iterable[str]) -> str:
    return ", ".join(name if name == _MORE else f"`{name}`" for name in fields)


class _Module:
    """One source file, and what its calls of a logger say."""

    def __init__(self, tree: ast.Module, path: Path) -> None:
        self._tree = tree
        self._path = path
        self._functions = {
            node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
        }

    def calls(self) -> Iterator[tuple[tuple[str, ...], str, tuple[str, ...]]]:
        """(names, level, fields) of each call of a logger."""
        for function, call in self._calls_in(self._tree, None):
            target = call.func
            if not (isinstance(target, ast.Attribute) and target.attr in _LEVELS):
                continue
            if not ast.unparse(target.value).endswith(("log", "logger(__name__)")):
                continue
            fields = [name for keyword in call.keywords for name in self._fields(keyword, function)]
            if target.attr == "exception":
                fields.extend(_EXCEPTION)
            yield self._names(call, function), _LEVELS[target.attr], tuple(fields)

    def _calls_in(
        self, node: ast.AST, function: ast.FunctionDef | None
    ) -> Iterator[tuple[ast.FunctionDef | None, ast.Call]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call):
                yield function, child
            yield from self._calls_in(
                child, child if isinstance(child, ast.FunctionDef) else function
            )

    def _names(self, call: ast.Call, function: ast.FunctionDef | None) -> tuple[str, ...]:
        match call.args[0]:
            case ast.Constant(str(name)):
                return (name,)
            case ast.Subscript(ast.Name(table)):
                return tuple(_strings(self._assigned(table)))
            case ast.Name(parameter) if function is not None:
                return tuple(dict.fromkeys(self._arguments(function, parameter)))
        raise UnclearEvent(f"{self._path}:{call.lineno}")

    def _assigned(self, name: str) -> Iterator[ast.expr]:
        for node in self._tree.body:
            match node:
                case ast.Assign([ast.Name(assigned)], ast.Dict(_, values)) if assigned == name:
                    yield from values

    def _arguments(self, function: ast.FunctionDef, parameter: str) -> Iterator[str]:
        """What is passed on as this parameter anywhere in the module, and its default."""
        arguments = function.args
        names = [one.arg for one in arguments.args]
        position = names.index(parameter)
        default = position - len(names) + len(arguments.defaults)
        if default >= 0:
            yield from _strings([arguments.defaults[default]])
        # A method is called without its first argument.
        position -= names[0] == "self"
        for _, call in self._calls_in(self._tree, None):
            if ast.unparse(call.func).rpartition(".")[2] == function.name:
                yield from _strings(call.args[position : position + 1])

    def _fields(self, keyword: ast.keyword, function: ast.FunctionDef | None) -> Iterator[str]:
        if keyword.arg == "exc_info":
            yield from _EXCEPTION
        elif keyword.arg is not None:
            yield keyword.arg
        else:
            yield from self._expanded(keyword.value, function)

    def _expanded(self, value: ast.expr, function: ast.FunctionDef | None) -> Iterator[str]:
        """The keys that ``**value`` stands for, where a dictionary is written out; else «…»."""
        match value:
            case ast.Dict(keys):
                yield from _strings(key for key in keys if key is not None)
            case ast.Name(name) if function is not None:
                yield from self._keys(_assignments(function, name), function)
            case ast.Call(ast.Name(name)) if name in self._functions:
                called = self._functions[name]
                yield from self._keys(_returned(called), called)
            case _:
                yield _MORE

    def _keys(self, values: list[ast.expr], function: ast.FunctionDef) -> Iterator[str]:
        if not values:
            yield _MORE
        for value in values:
            yield from self._expanded(value, function)


def _assignments(function: ast.FunctionDef, name: str) -> list[ast.expr]:
    return [
        node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    ]


def _returned(function: ast.FunctionDef) -> list[ast.expr]:
    return [
        node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value
    ]


def _strings(nodes: Iterable[ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
