"""A message's body for a terminal: readable, without personal data, safe to print."""

from __future__ import annotations

import json
import re

from worker.logs import redact

# Broader than what logs look for: a body may hold an address that no mail server would take.
_ADDRESS = re.compile(r"\S{1,64}@\S+")
_DECIMAL = re.compile(r"-?\d+\.\d+")
_PLACES = frozenset({"coordinates", "bbox"})
_UNREADABLE_EXCERPT = 400


def shown_body(body: str, *, reveal: bool = False) -> str:
    """The body indented, JSON inside an SNS notification too.

    Unless ``reveal``, e-mail addresses and secrets are masked and coordinates only counted; of a
    body that is not JSON only the beginning is shown, without its decimal numbers.
    """
    try:
        document = _unwrapped(json.loads(body))
        if not reveal:
            document = _masked(document)
        text = json.dumps(document, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = body if reveal else _excerpt(body)
    return "".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text)


def _unwrapped(document: object) -> object:
    if isinstance(document, dict) and isinstance(document.get("Message"), str):
        try:
            return document | {"Message": json.loads(document["Message"])}
        except ValueError:
            return document
    return document


def _masked(value: object) -> object:
    match value:
        case str():
            return _masked_text(value)
        case dict():
            return {
                _masked_text(str(name)): _count(item) if name in _PLACES else _masked(item)
                for name, item in value.items()
            }
        case list():
            return [_masked(item) for item in value]
        case _:
            return value


def _masked_text(text: str) -> str:
    return _ADDRESS.sub("[e-mail]", redact(text))


def _count(value: object) -> object:
    numbers = _numbers(value)
    return f"[{numbers} numbers]" if numbers else _masked(value)


def _numbers(value: object) -> int:
    if isinstance(value, list):
        return sum(_numbers(item) for item in value)
    return int(isinstance(value, int | float))


def _excerpt(body: str) -> str:
    shown = _DECIMAL.sub("[number]", _masked_text(body[:_UNREADABLE_EXCERPT]))
    rest = len(body) - _UNREADABLE_EXCERPT
    return f"{shown}\n[not JSON; {rest} more characters]" if rest > 0 else f"{shown}\n[not JSON]"
