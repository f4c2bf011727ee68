"""The words that e-mails and records of the review are made of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from worker.lists.milestones import Milestone

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_PLURALS: Mapping[str, str] = {
    "lawyers": "lawyers",
    "funeralDirectors": "funeral directors",
    "translatorsInterpreters": "translators or interpreters",
}
_LAST_WEEK = 6


def plural(list_type: str) -> str | None:
    """What the professionals of a list are called; None for a type that nobody has named."""
    return _PLURALS.get(list_type)


def short_date(day: date) -> str:
    """As 01 Jun 2026."""
    return f"{day.day:02d} {_MONTHS[day.month - 1][:3]} {day.year}"


def long_date(day: date) -> str:
    """As 13 July 2026."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def change_link(service_domain: str, item_reference: str) -> str:
    """Where a provider confirms or corrects its entry."""
    scheme = "http" if service_domain.partition(":")[0] in {"localhost", "127.0.0.1"} else "https"
    return f"{scheme}://{service_domain}/annual-review/confirm/{item_reference}"


def notes(milestone: Milestone) -> list[str]:
    """What the event about a provider's e-mail notes, in words that the dashboard shows."""
    match milestone:
        case Milestone.PROVIDER_STARTED:
            return ["sent annual review started"]
        case Milestone.PROVIDER_ONE_DAY:
            return ["sent reminder for 1 days until unpublish"]
        case Milestone.PROVIDER_UNPUBLISHED:
            return ["sent reminder for 0 days until unpublish"]
        case _:
            week = milestone.week or 0
            left = _LAST_WEEK - week
            return [f"sent reminder for week {week}. ({left} until unpublish date)"]


def for_post(
    milestone: Milestone,
    *,
    list_type: str,
    country: str,
    start: date,
    not_responded: int,
) -> dict[str, str]:
    """The fields of a template for embassy staff; KeyError for a type without a plural."""
    words = _PLURALS[list_type]
    fields = {
        "typePlural": words,
        "typePluralCapitalised": words[0].upper() + words[1:],
        "country": country,
    }
    if milestone in (Milestone.POST_UNPUBLISH_ONE_DAY, Milestone.POST_UNPUBLISHED):
        return fields | {"numberNotResponded": str(not_responded)}
    return fields | {"annualReviewDate": short_date(start)}


def for_provider(
    milestone: Milestone,
    *,
    list_type: str,
    country: str,
    contact_name: str,
    link: str,
    unpublish: date,
) -> dict[str, str]:
    """The fields of a template for a provider; KeyError for a type without a plural."""
    fields = {
        "typePlural": _PLURALS[list_type],
        "contactName": contact_name,
        "country": country,
        "changeLink": link,
    }
    if milestone in (Milestone.PROVIDER_ONE_DAY, Milestone.PROVIDER_UNPUBLISHED):
        return fields
    return fields | {"deletionDate": long_date(unpublish)}
