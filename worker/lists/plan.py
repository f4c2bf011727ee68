"""The plan of one review of one list, as it is stored in the list's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from worker.lists.key_dates import KeyDates, KeyDatesInvalid

PlanJson = dict[str, object]


class PlanInvalid(ValueError):
    """A stored plan can't be worked with; says why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which entries are reviewed and when; ``reference`` marks everything about this review."""

    reference: UUID
    eligible: tuple[int, ...]
    dates: KeyDates

    @classmethod
    def from_json(cls, stored: object) -> Plan | None:
        """The stored plan; None where there is none. Raises PlanInvalid."""
        if not isinstance(stored, Mapping) or not stored.get("reference"):
            return None
        try:
            reference = UUID(str(stored["reference"]))
        except ValueError:
            raise PlanInvalid("the reference is no UUID") from None
        items = stored.get("eligibleListItems")
        if not isinstance(items, list) or not all(type(one) is int for one in items):
            raise PlanInvalid("eligibleListItems is no list of ids")
        try:
            dates = KeyDates.from_json(stored.get("keyDates"))
        except KeyDatesInvalid as error:
            raise PlanInvalid(str(error)) from None
        return cls(reference, tuple(sorted(items)), dates)

    def as_json(self) -> PlanJson:
        """As it is stored under ``currentAnnualReview``."""
        return {
            "reference": str(self.reference),
            "eligibleListItems": list(self.eligible),
            "keyDates": self.dates.as_json(),
        }
