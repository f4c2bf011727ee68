"""What can be delivered: one typed payload a kind, and which client makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from worker.clients.backend import BackendClient, QuotePatchBody
from worker.clients.http import JsonObject
from worker.clients.notify import NotifyClient, PersonalisationValue
from worker.clients.receipt import DeliveryReceipt
from worker.errors import DeliveryRejected

__all__ = [
    "Deliverer",
    "DeliveryReceipt",
    "EmailDelivery",
    "JobResultDelivery",
    "QuotePatchDelivery",
]


class _Payload(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]

    def as_json(self) -> JsonObject:
        """As it is stored in the outbox and given back to ``Deliverer.deliver``."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class QuotePatchDelivery(_Payload):
    """The result of a quote for the backend, which e-mails the applicant itself."""

    kind: ClassVar[str] = "backend.quote_patch"

    reference: str
    body: QuotePatchBody


class JobResultDelivery(_Payload):
    """The result or the failure of an S3-form job for the backend."""

    kind: ClassVar[str] = "backend.job_result"

    job_id: str
    body: Mapping[str, JsonValue]

    def as_json(self) -> JsonObject:
        # A null inside a result is a fact and stays.
        return self.model_dump(mode="json")


class EmailDelivery(_Payload):
    """An e-mail; a value of ``personalisation`` is a text or an uploaded file."""

    kind: ClassVar[str] = "notify.email"

    template_id: str
    to: str
    personalisation: Mapping[str, PersonalisationValue]


class Deliverer:
    """Makes one delivery with the client of its kind."""

    def __init__(self, backend: BackendClient, notify: NotifyClient) -> None:
        self._backend = backend
        self._notify = notify

    def deliver(
        self,
        kind: str,
        payload: JsonObject,
        *,
        reference: str,
        attempts: int,
        before_send: Callable[[], None] = lambda: None,
    ) -> DeliveryReceipt:
        """Make the delivery, or raise what its client raises.

        ``reference`` is the same whenever this delivery is tried; ``attempts`` counts this try,
        and a second one means that the first may have arrived. ``before_send`` is called right
        before each request that sends something, and may raise. Raises DeliveryRejected
        ``delivery_unreadable`` for a stored payload that no longer fits its kind.
        """
        try:
            delivery = _read(kind, payload)
        except ValidationError as error:
            places = sorted({".".join(map(str, item["loc"])) for item in error.errors()})
            # Not chained: pydantic quotes the values, an address among them.
            raise _unreadable(f"{kind}: {', '.join(places)}") from None
        match delivery:
            case QuotePatchDelivery():
                return self._backend.patch_quote(
                    delivery.reference, delivery.body, before_send=before_send
                )
            case JobResultDelivery():
                return self._backend.post_job_result(
                    delivery.job_id,
                    delivery.body,
                    idempotency_key=reference,
                    before_send=before_send,
                )
            case EmailDelivery():
                return self._notify.send_email(
                    delivery.template_id,
                    delivery.to,
                    delivery.personalisation,
                    reference=reference,
                    may_have_been_sent=attempts > 1,
                    before_send=before_send,
                )


def _read(kind: str, payload: JsonObject) -> QuotePatchDelivery | JobResultDelivery | EmailDelivery:
    match kind:
        case QuotePatchDelivery.kind:
            return QuotePatchDelivery.model_validate(payload)
        case JobResultDelivery.kind:
            return JobResultDelivery.model_validate(payload)
        case EmailDelivery.kind:
            return EmailDelivery.model_validate(payload)
        case _:
            raise _unreadable(f"unknown kind {kind}")


def _unreadable(detail: str) -> DeliveryRejected:
    return DeliveryRejected(
        "delivery_unreadable", "A stored delivery can't be read.", detail=detail
    )
