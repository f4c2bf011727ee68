"""When a message was sent first, as an attribute that goes along when the message is moved."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_sqs.type_defs import MessageAttributeValueTypeDef

FIRST_SENT_AT = "FirstSentAt"


def first_sent(at: datetime) -> dict[str, MessageAttributeValueTypeDef]:
    """The attribute, by its name."""
    return {FIRST_SENT_AT: {"DataType": "String", "StringValue": at.isoformat()}}


def read_instant(value: object) -> datetime | None:
    """A moment in ISO 8601 with its time zone; None for whatever else it is."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        return moment.astimezone(UTC) if moment and moment.tzinfo else None
    except (ValueError, OverflowError):
        return None
