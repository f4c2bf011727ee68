"""The runbook knows every event that the worker logs, and no other."""

from __future__ import annotations

import re
from pathlib import Path

_REPOSITORY = Path(__file__).parents[2]
_LOGGED = re.compile(r'\.(?:debug|info|warning|error|critical|exception)\(\s*"([a-z_]+\.[a-z_]+)"')
# Passed on as values before they are logged.
_INDIRECT = re.compile(r'"((?:message|claim|lease|job)\.[a-z_]+)"')
_ROW = re.compile(r"^\| ((?:`[a-z_]+\.[a-z_]+`(?:, )?)+) \|", re.MULTILINE)


def test_every_event_is_in_the_runbook_and_no_other() -> None:
    logged: set[str] = set()
    for module in (_REPOSITORY / "worker").rglob("*.py"):
        if "demo" not in module.parts:
            text = module.read_text(encoding="utf-8")
            logged |= {*_LOGGED.findall(text), *_INDIRECT.findall(text)}
    page = (_REPOSITORY / "docs" / "runbook.md").read_text(encoding="utf-8")
    section = page.partition("## What the log says")[2].partition("\n## ")[0]
    described = {name for row in _ROW.findall(section) for name in re.findall(r"`([^`]+)`", row)}

    assert logged == described
