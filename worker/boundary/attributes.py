"""The attributes that are read from a file, found whatever the case of their names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from worker.boundary.model import Pans, TmpImp
from worker.errors import BoundaryError

# The front end's own limit for the number of units in one application.
MAX_DWELLINGS = 999_999
# What a shapefile's column can hold; GeoJSON has no limit of its own.
MAX_TEXT = 254

_PANS: dict[str, Pans] = {"P": "P", "A": "A", "NS": "NS"}
_TMP_IMP: dict[str, TmpImp] = {"T": "T", "F": "F"}
_WHOLE_NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.0+)?")
# Half a surrogate pair is a character to JSON, and none to UTF-8, PostgreSQL or an e-mail.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Attributes:
    """None where the file has no value."""

    dwellings: int | None = None
    id: str | None = None
    name: str | None = None
    dwelling_category: str | None = None
    source: str | None = None


def is_plain(text: str) -> bool:
    """Whether ``text`` has no control character and no half of a surrogate pair."""
    return _CONTROL.search(text) is None


def read(values: Mapping[str, object], where: str, *, with_dwellings: bool = True) -> Attributes:
    """Attributes of one feature.

    Raises BoundaryError: ``dwellings_invalid``, ``boundary_unreadable``.
    """
    return Attributes(
        dwellings=_dwellings(_value(values, "Dwellings", where), where) if with_dwellings else None,
        id=_text(_value(values, "id", where)),
        name=_text(_value(values, "Name", where)),
        dwelling_category=_text(_value(values, "Dwel_Cat", where)),
        source=_text(_value(values, "Source", where)),
    )


@dataclass(frozen=True, slots=True)
class PondAttributes:
    """``tmp_imp`` is None where the file does not say."""

    pans: Pans
    tmp_imp: TmpImp | None


def read_pond(values: Mapping[str, object], where: str) -> PondAttributes:
    """Attributes of one surveyed pond.

    Raises BoundaryError: ``survey_ponds_invalid``, ``boundary_unreadable``.
    """
    pans = _PANS.get(_letters(_value(values, "PANS", where)))
    if pans is None:
        raise BoundaryError(
            "survey_ponds_invalid",
            f"{where} does not say whether newts are present (attribute PANS): it has to be P"
            " (present), A (absent) or NS (not surveyed).",
        )
    stated = _letters(_value(values, "TmpImp", where))
    if stated and stated not in _TMP_IMP:
        raise BoundaryError(
            "survey_ponds_invalid",
            f"{where} has a temporary impact (attribute TmpImp) that is neither T nor F.",
        )
    return PondAttributes(pans, _TMP_IMP.get(stated))


def _letters(value: object) -> str:
    """Text in capitals; no value is no letters, and a value that is no text is no answer."""
    match value:
        case None:
            return ""
        case str():
            return value.strip().upper()
        case _:
            # Not its text: a list may be nested more deeply than Python can write it.
            return "?"


def _value(values: Mapping[str, object], wanted: str, where: str) -> object:
    # Values are asked for one at a time: a column that is not read may be undecodable.
    matches = [name for name in values if name.casefold() == wanted.casefold()]
    if len(matches) > 1:
        raise BoundaryError(
            "boundary_unreadable",
            f"{where} has the attribute {wanted} more than once, in capital and small letters."
            " Please leave only one of them.",
        )
    return values[matches[0]] if matches else None


def _dwellings(value: object, where: str) -> int | None:
    number: float | int | None = None
    match value:
        case None:
            return None
        case bool():
            pass
        case int() | float():
            number = value
        case str():
            if not value.strip():
                return None
            if _WHOLE_NUMBER.fullmatch(value.strip()):
                number = float(value)
    # A table stores whole numbers as 11.0 when its column has decimals.
    if number is None or not 0 <= number <= MAX_DWELLINGS or number != int(number):
        raise BoundaryError(
            "dwellings_invalid",
            f"{where} has a number of dwellings (attribute Dwellings) that is not a whole number"
            f" from 0 to {MAX_DWELLINGS:,}.",
        )
    return int(number)


def _text(value: object) -> str | None:
    match value:
        case None | bool():
            return None
        case float() if value.is_integer():
            shown = str(int(value))
        case int() | float():
            shown = str(value)
        case str():
            shown = _CONTROL.sub(" ", value).strip()
        case _:
            return None
    return shown[:MAX_TEXT] or None
