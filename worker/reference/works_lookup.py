"""The treatment works' table as it is published becomes one row for each works code.

Rules: a row without a code is skipped and counted; codes are trimmed; "9602 or 10197" stands for
two works with the same permits; "4620?" is read as 4620 and reported; of rows with the same code
the first counts, and other permits in a later one are a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from worker.reference.values import Tally

_EITHER = re.compile(r"\s+or\s+", re.IGNORECASE)
_WHOLE_NUMBER = re.compile(r"0*(\d+)(?:\.0+)?")


@dataclass(frozen=True, slots=True)
class WorksRow:
    """One works: its code as text, the source's other columns, and its row there (from 1).

    ``others`` are the raw values of name, subcatchment and the four permit concentrations (mg/l).
    """

    source_row: int
    code: str
    others: tuple[object, ...]

    @property
    def permits(self) -> tuple[str, ...]:
        """The four concentrations in a form in which equal ones compare equal."""
        return tuple(_comparable(value) for value in self.others[2:])


@dataclass(slots=True)
class WorksNotes:
    """What the rules did to a table."""

    source_rows: int = 0
    without_code: Tally = field(default_factory=Tally)
    several_codes: Tally = field(default_factory=Tally)
    doubtful_codes: Tally = field(default_factory=Tally)
    duplicates: Tally = field(default_factory=Tally)
    conflicts: Tally = field(default_factory=Tally)


def expand(rows: Iterable[tuple[object, ...]], notes: WorksNotes) -> Iterator[WorksRow]:
    """The works of ``rows`` (code first, then the other columns); fills ``notes`` on the way."""
    seen: dict[str, WorksRow] = {}
    for source_row, (raw_code, *others) in enumerate(rows, start=1):
        notes.source_rows += 1
        codes = _codes(source_row, raw_code, notes)
        for code in codes:
            works = WorksRow(source_row, code, tuple(others))
            first = seen.setdefault(code, works)
            if first is works:
                yield works
                continue
            place = f"works {code}: rows {first.source_row} and {source_row}"
            notes.duplicates.add(place)
            if first.permits != works.permits:
                notes.conflicts.add(place)


def _codes(source_row: int, raw: object, notes: WorksNotes) -> list[str]:
    written = "" if raw is None else str(raw).strip()
    if "?" in written:
        notes.doubtful_codes.add(f"row {source_row}: {written!r}")
    codes = [_canonical(one) for one in _EITHER.split(written.replace("?", "")) if one.strip()]
    if not codes:
        notes.without_code.add(f"row {source_row}")
    if len(codes) > 1:
        notes.several_codes.add(f"row {source_row}: {written!r}")
    return codes


def _canonical(code: str) -> str:
    """One spelling for a number, so that 141, 141.0 and 0141 are the same works."""
    whole = _WHOLE_NUMBER.fullmatch(code.strip())
    return whole[1] if whole else code.strip()


def _comparable(value: object) -> str:
    written = "" if value is None else str(value).strip()
    try:
        return str(float(written))
    except ValueError:
        return written
