"""From an e-mail that is due to what Notify is asked to send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from worker.lists import wording
from worker.lists.decisions import Mail
from worker.lists.milestones import Milestone, Window
from worker.lists.situation import ReviewList


@dataclass(frozen=True, slots=True)
class Letter:
    """An e-mail as the outbox keeps it; ``item_id`` is None for the embassy's staff."""

    milestone: Milestone
    item_id: int | None
    recipient: str
    template_id: str
    personalisation: Mapping[str, str]
    window: Window


@dataclass(frozen=True, slots=True)
class Letters:
    """Writes e-mails: a template for each milestone, and the host of the providers' pages."""

    templates: Mapping[Milestone, str]
    service_domain: str

    def write(
        self, mail: Mail, review: ReviewList, *, start: date, unpublish: date, not_responded: int
    ) -> Letter:
        """The e-mail about a list of a known type; ``not_responded`` counts providers."""
        if mail.item is None:
            fields = wording.for_post(
                mail.milestone,
                list_type=review.type,
                country=review.country,
                start=start,
                not_responded=not_responded,
            )
        else:
            fields = wording.for_provider(
                mail.milestone,
                list_type=review.type,
                country=review.country,
                contact_name=mail.item.contact_name,
                link=wording.change_link(self.service_domain, mail.item.reference),
                unpublish=unpublish,
            )
        return Letter(
            milestone=mail.milestone,
            item_id=None if mail.item is None else mail.item.id,
            recipient=mail.recipient,
            template_id=self.templates[mail.milestone],
            personalisation=fields,
            window=mail.window,
        )
