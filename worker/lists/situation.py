"""What is known about a list when a run looks at it; read by ``store``, judged by ``decisions``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from worker.lists.milestones import Milestone
from worker.lists.plan import Plan

OUT_WITH_PROVIDER = "OUT_WITH_PROVIDER"
UNPUBLISHED = "UNPUBLISHED"
OVERDUE = "ANNUAL_REVIEW_OVERDUE"


@dataclass(frozen=True, slots=True)
class Reminder:
    """An e-mail of this review that a provider has got."""

    email_type: str
    sent_on: date


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a list.

    ``last_answer``: when its provider last edited or confirmed it. ``started`` and ``reminders``
    are about the current review only.
    """

    id: int
    reference: str
    contact_name: str
    email: str | None
    status: str
    is_published: bool
    is_blocked: bool
    in_review: bool
    last_published: datetime | None
    last_answer: datetime | None
    started: bool = False
    reminders: tuple[Reminder, ...] = ()


@dataclass(frozen=True, slots=True)
class User:
    """A member of the embassy's staff who looks after the list."""

    id: int
    email: str


@dataclass(frozen=True, slots=True)
class KnownMail:
    """An e-mail of the current review in the outbox; ``open`` while it may still be sent."""

    milestone: Milestone
    recipient: str
    open: bool


@dataclass(frozen=True, slots=True)
class ReviewList:
    """A list, its entries and its staff, at one moment.

    ``plan_problem`` says why a stored plan can't be read. ``post_types``: e-mails to staff that
    are recorded as sent in the current review.
    """

    id: int
    type: str
    country: str
    next_start: date | None
    last_start: date | None
    in_review: bool
    first_published: date | None
    plan: Plan | None
    plan_problem: str | None
    items: tuple[Item, ...]
    users: tuple[User, ...]
    post_types: frozenset[str] = frozenset()
    mails: tuple[KnownMail, ...] = ()

    @property
    def reference(self) -> UUID | None:
        return None if self.plan is None else self.plan.reference

    def planned_items(self) -> tuple[Item, ...]:
        """The entries that the plan names and that are still there."""
        planned = frozenset(self.plan.eligible) if self.plan else frozenset()
        return tuple(item for item in self.items if item.id in planned)
