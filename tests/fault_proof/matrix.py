"""The fault matrix as ``docs/faults.md`` has it: what can go wrong, and the tests of each row."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "faults.md"
ROWS = range(1, 56)

_ROW = re.compile(r"^\| (?P<number>\d+) \| (?P<fault>.+?) \| (?P<promise>.+?) \| (?P<tests>.+) \|$")
_LINK = re.compile(r"\[`?(?P<name>test_\w+)(?P<parameters>\[[^\]]*\])?`?\]\((?P<path>[^)]+)\)")


@dataclass(frozen=True, slots=True)
class LinkedTest:
    """A test function that the page names; ``path`` is relative to the repository."""

    path: str
    name: str

    @property
    def node_id(self) -> str:
        return f"{self.path}::{self.name}"


@dataclass(frozen=True, slots=True)
class Row:
    """One fault."""

    number: int
    fault: str
    promise: str
    tests: tuple[LinkedTest, ...]


def rows(page: str | None = None) -> tuple[Row, ...]:
    """Every row of the page, in its order."""
    text = PAGE.read_text(encoding="utf-8") if page is None else page
    return tuple(_read_rows(text))


def _read_rows(text: str) -> Iterator[Row]:
    for line in text.splitlines():
        found = _ROW.match(line)
        if found:
            yield Row(
                int(found["number"]),
                found["fault"],
                found["promise"],
                tuple(_linked(found["tests"])),
            )


def _linked(cell: str) -> Iterator[LinkedTest]:
    for link in _LINK.finditer(cell):
        path = (PAGE.parent / link["path"]).resolve()
        yield LinkedTest(str(path.relative_to(REPOSITORY)), link["name"])


@cache
def functions_of(path: str) -> frozenset[str]:
    """Names of the test functions in a file of the repository; none if there is no such file."""
    file = REPOSITORY / path
    if not file.is_file():
        return frozenset()
    module = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(
        node.name
        for node in module.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )
