"""Texts from outside on a terminal: what they hold neither moves the cursor nor forges a line."""

from __future__ import annotations


def printable(text: str) -> str:
    """``text`` with escapes for what would move the cursor or hide what is there."""
    return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)


def printable_line(text: str) -> str:
    """``text`` as ``printable`` has it, in one line: no part of it passes for a line of ours."""
    return printable(text).replace("\n", "\\n")
