"""What a message says, for a terminal: readable, without personal data, safe to print."""

from __future__ import annotations

import json
import re

from worker.errors import MessageError
from worker.logs import redact
from worker.logs.printing import printable
from worker.queue.envelope import read_json

_EMAIL = "[e-mail]"
# Broader than what logs look for: a body may hold an address that no mail server would take.
_ADDRESS = re.compile(r"\S{1,64}[@\uff20]\S+")
# Whatever stands under such a key is an address, or was meant for one.
_ADDRESS_KEY = re.compile(r"(?i)e[-_]?mail")
_PLACE_KEYS = frozenset(
    {
        *("boundarygeometryoriginal", "geometry", "coordinates", "bbox", "extent", "centroid"),
        *("lat", "latitude", "lon", "lng", "long", "longitude", "easting", "northing", "x", "y"),
    }
)
_GEOMETRY_TYPES = frozenset(
    {
        *("Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon"),
        *("GeometryCollection", "Feature", "FeatureCollection"),
    }
)
# In a text nothing says which number is a coordinate: a grid's has four digits or more, degrees
# have decimals. Those of an escape (\u0000) are none.
_FIGURE = re.compile(r"(?<!\\u)[-+]?(?:\d+\.\d*|\.\d+|\d{4,}|\d+(?=[eE][-+]?\d))(?:[eE][-+]?\d+)?")
# The same member in broken JSON, or in JSON inside a text. Its value is a text, whose quotes are
# escaped in the second case, a list, an object or a bare word, and may have lost its end. A run of
# backslashes is taken whole, not looked through again from each of them.
_ADDRESS_MEMBER = re.compile(
    r"""(?isx)
    ( e[-_]?mail [\w-]{0,40} \\* ["']? \s* [:=] \s* )
    (?: " (?: [^"\\] | \\. )* (?: " | \\? \Z )
      | \\+ " (?: [^\\] | \\++ (?! " ) )* (?: \\+ " | \Z )
      | \[ [^\]]* (?: \] | \Z )
      | \{ [^}]* (?: \} | \Z )
      | [^",}\n]+ )"""
)
_EXCERPT = 400


def shown_body(body: str, *, reveal: bool = False) -> str:
    """With ``reveal`` the body as it came; without, JSON indented and masked.

    Masked are e-mail addresses, secrets and coordinates, also in JSON that a text holds, as that of
    an SNS notification. Of a body that the worker does not read as JSON, for a key that
    stands twice say, the beginning is shown, without its longer numbers. Control characters are
    escaped.
    """
    return printable(body if reveal else _masked_body(body))


def masked_text(text: str) -> str:
    """A sentence or a value without addresses, secrets and whatever may be a coordinate."""
    without_members = _ADDRESS_MEMBER.sub(rf"\1{_EMAIL}", text)
    return _FIGURE.sub("[number]", _without_addresses(without_members))


def shown_value(name: str, value: str) -> str:
    """What stands under ``name``, masked as in a body; an id keeps its digits."""
    return printable(str(_member(name, value)))


def _masked_body(body: str) -> str:
    try:
        document = _masked(_unwrapped(read_json(body)))
        return json.dumps(document, indent=2, ensure_ascii=False)
    except (MessageError, RecursionError):
        return _excerpt(body)


def _unwrapped(document: object) -> object:
    """The document with the JSON of an SNS notification in it instead of its text."""
    if isinstance(document, dict) and isinstance(document.get("Message"), str):
        text = document["Message"]
        try:
            return document | {"Message": read_json(text)}
        except MessageError:
            return document | {"Message": masked_text(text)}
    return document


def _masked(value: object) -> object:
    match value:
        case str():
            return _masked_value(value)
        case dict():
            return {_without_addresses(name): _member(name, item) for name, item in value.items()}
        case [_, _, *_] if all(_is_number(item) for item in value):
            return _count(value)
        case list():
            return [_masked(item) for item in value]
        case _:
            return value


def _member(name: str, value: object) -> object:
    if value is None or value == "":
        return value
    if _ADDRESS_KEY.search(name):
        return _EMAIL
    return _hidden(value) if name.lower() in _PLACE_KEYS else _masked(value)


def _masked_value(text: str) -> str:
    """JSON in a text is masked as such, and what only looks like it as a text."""
    if not text.lstrip().startswith(("{", "[")):
        return _without_addresses(text)
    try:
        return json.dumps(_masked(read_json(text)), ensure_ascii=False)
    except MessageError:
        return masked_text(text)


def _hidden(value: object) -> object:
    """Everything of a place but what kind of geometry it is, and how many numbers it has."""
    if not isinstance(value, dict):
        return _count(value)
    return {
        masked_text(name): item
        if name == "type" and isinstance(item, str) and item in _GEOMETRY_TYPES
        else _hidden(item)
        for name, item in value.items()
    }


def _count(value: object) -> object:
    leaves = _leaves(value)
    if not leaves:
        return value
    noun = "number" if all(_is_number(leaf) for leaf in leaves) else "value"
    return f"[{len(leaves)} {noun}{'s' if len(leaves) > 1 else ''}]"


def _leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [] if value is None else [value]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _without_addresses(text: str) -> str:
    return _ADDRESS.sub(_EMAIL, redact(text))


def _excerpt(body: str) -> str:
    # Cut only then: what is cut in two may not be known any more for what it is.
    shown = masked_text(body)
    rest = len(shown) - _EXCERPT
    if rest <= 0:
        return f"{shown}\n[not read as JSON]"
    return f"{shown[:_EXCERPT]}\n[not read as JSON; {rest} more characters]"
