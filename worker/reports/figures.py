"""How numbers, names and dates are written in a report: the only place where they are formatted."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from decimal import Decimal

NOT_AVAILABLE = "not available"

# What the fonts inside the PDF compiler can show, a test compiles every one of them: Latin with
# its extensions, Greek, Cyrillic, dashes, quotes and the euro. Control and direction marks are out.
_UNPRINTABLE = re.compile(
    "[^ -~\u00a0-\u00ac\u00ae-\u024f\u0391-\u03a1\u03a3-\u03c9\u0400-\u045f\u1e80-\u1e85"
    "\u1ef2-\u1ef3"
    "\u2010-\u2015\u2018-\u201e\u2020-\u2022\u2026\u2030\u20ac\u2122\u2212\u2264\u2265\ufffd]"
)
_SPACE = re.compile(r"\s+")


def printable(text: str) -> str:
    """``text`` on one line; a character that a report cannot show becomes U+FFFD."""
    composed = unicodedata.normalize("NFC", _SPACE.sub(" ", text).strip())
    return _UNPRINTABLE.sub("\ufffd", composed)


def shortened(text: str, limit: int) -> str:
    """``text`` in at most ``limit`` characters, with an ellipsis where it was cut."""
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}\u2026"


def count(value: int) -> str:
    """A whole number."""
    return f"{value:,}"


def hundredths(value: float | None) -> str:
    """Two decimals: loads, totals and the development's area."""
    return NOT_AVAILABLE if value is None else f"{value + 0.0:,.2f}"


def thousandths(value: float) -> str:
    """Three decimals: square metres of habitat."""
    return f"{value + 0.0:,.3f}"


def square_metres(value_ha: float | None) -> str:
    """Hectares with four decimals, to the square metre."""
    return NOT_AVAILABLE if value_ha is None else f"{value_ha + 0.0:,.4f}"


def exact(value: float | None) -> str:
    """A number of the source or a setting with all its decimals, and no more."""
    if value is None:
        return NOT_AVAILABLE
    text = f"{Decimal(repr(value + 0.0)):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float) -> str:
    """A share as a percentage with all its decimals."""
    return f"{exact(float(Decimal(repr(share)) * 100))}%"


def date(moment: datetime) -> str:
    """A day as it is written in British English: 3 November 2026."""
    return f"{moment.day} {moment:%B %Y}"


def listed(items: tuple[str, ...]) -> str:
    """Items in a sentence: a, b and c."""
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last


def span(low: float, high: float) -> str:
    """How far it is from one coordinate to another, in whole metres."""
    return count(round(high - low))


def middle(low: float, high: float) -> str:
    """The coordinate half way, in whole metres."""
    return count(round((low + high) / 2))
