"""What clients ask of the SQS double: members of a request, read and checked as SQS checks them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.fakes import sqs_errors
from tests.fakes.sqs_settings import MAX_DELAY_S, MAX_VISIBILITY_S, MAX_WAIT_S
from worker.demo.fake_service import JsonObject

_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ATTRIBUTE_NAME = re.compile(r"(?!AWS\.|Amazon\.|\.)[A-Za-z0-9_.-]{1,256}(?<!\.)", re.IGNORECASE)
_DATA_TYPE = re.compile(r"(String|Number|Binary)(\..+)?")
_MOST_ENTRIES = 10
_MOST_ATTRIBUTES = 10


class Request:
    """A request's members; an absent one and null are the same."""

    def __init__(self, members: JsonObject) -> None:
        self._members = members

    def text(self, name: str) -> str:
        value = self._members.get(name)
        if not isinstance(value, str) or not value:
            raise sqs_errors.missing(name)
        return value

    def text_or_none(self, name: str) -> str | None:
        return self.text(name) if self._members.get(name) is not None else None

    def number(self, name: str, lowest: int, highest: int) -> int | None:
        value = self._members.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or not lowest <= value <= highest:
            raise sqs_errors.bad_value(
                value, name, f"Must be between {lowest} and {highest}, if provided."
            )
        return value

    def names(self, *members: str) -> frozenset[str]:
        """The texts of lists, e.g. of attribute names."""
        found: set[str] = set()
        for member in members:
            listed = self._members.get(member)
            found.update(str(item) for item in listed) if isinstance(listed, list) else None
        return frozenset(found)

    def texts(self, name: str) -> dict[str, str]:
        """A mapping of texts, e.g. the attributes of a queue."""
        return {key: str(value) for key, value in self._mapping(name).items()}

    @property
    def queue(self) -> str:
        return self.text("QueueUrl").rpartition("/")[2]

    @property
    def delay_s(self) -> int | None:
        return self.number("DelaySeconds", 0, MAX_DELAY_S)

    @property
    def wait_s(self) -> int | None:
        return self.number("WaitTimeSeconds", 0, MAX_WAIT_S)

    @property
    def visibility_s(self) -> int | None:
        return self.number("VisibilityTimeout", 0, MAX_VISIBILITY_S)

    @property
    def body(self) -> str:
        text = self.text("MessageBody")
        if _UNFIT.search(text):
            raise sqs_errors.SqsError(
                "InvalidMessageContents", "The body has characters that SQS does not take."
            )
        return text

    def attributes(self, member: str = "MessageAttributes") -> dict[str, JsonObject]:
        """The attributes of a message to send, checked."""
        attributes = {
            name: value
            for name, value in self._mapping(member).items()
            if isinstance(value, Mapping)
        }
        if len(attributes) > _MOST_ATTRIBUTES:
            raise sqs_errors.SqsError(
                "InvalidParameterValue",
                f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum"
                f" [{_MOST_ATTRIBUTES}].",
            )
        for name, value in attributes.items():
            _check_attribute(name, value)
        return attributes

    def entries(self, *, of: str) -> list[Request]:
        """The entries of a batch; raises what refuses all of it."""
        listed = self._members.get("Entries")
        entries = [Request(one) for one in listed] if isinstance(listed, list) else []
        if not entries:
            raise sqs_errors.of_batch(
                "EmptyBatchRequest",
                f"There should be at least one {of}RequestEntry in the request.",
            )
        if len(entries) > _MOST_ENTRIES:
            raise sqs_errors.of_batch(
                "TooManyEntriesInBatchRequest",
                f"Maximum number of entries per request are {_MOST_ENTRIES}."
                f" You have sent {len(entries)}.",
            )
        ids = [entry.text("Id") for entry in entries]
        if not all(map(_ENTRY_ID.fullmatch, ids)):
            raise sqs_errors.of_batch(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and"
                " underscores. It can be at most 80 letters long.",
            )
        repeated = next((one for one in ids if ids.count(one) > 1), None)
        if repeated is not None:
            raise sqs_errors.of_batch("BatchEntryIdsNotDistinct", f"Id {repeated} repeated.")
        return entries

    def _mapping(self, name: str) -> Mapping[str, object]:
        value = self._members.get(name)
        return value if isinstance(value, Mapping) else {}


def message_size(body: str, attributes: Mapping[str, JsonObject]) -> int:
    """Bytes of a message as SQS counts them: names, types and values of attributes too."""
    size = len(body.encode())
    for name, value in attributes.items():
        text = value.get("StringValue", value.get("BinaryValue", ""))
        size += len(name.encode()) + len(str(value["DataType"]).encode()) + len(str(text).encode())
    return size


def wanted(attributes: Mapping[str, JsonObject], names: frozenset[str]) -> dict[str, JsonObject]:
    """The attributes that a receive asks for: by name, by ``prefix.*``, or all."""
    if "All" in names or ".*" in names:
        return dict(attributes)
    prefixes = tuple(name[:-1] for name in names if name.endswith(".*"))
    return {
        name: value
        for name, value in attributes.items()
        if name in names or (prefixes and name.startswith(prefixes))
    }


def _check_attribute(name: str, value: JsonObject) -> None:
    kind = value.get("DataType")
    if not _ATTRIBUTE_NAME.fullmatch(name):
        raise sqs_errors.SqsError(
            "InvalidParameterValue", f"Invalid message attribute name [{name}]."
        )
    if not isinstance(kind, str) or not _DATA_TYPE.fullmatch(kind):
        raise sqs_errors.SqsError(
            "InvalidParameterValue",
            f"The message attribute '{name}' has an invalid message attribute type, the set of"
            " supported type prefixes is Binary, Number, and String.",
        )
    member = "BinaryValue" if kind.startswith("Binary") else "StringValue"
    if not value.get(member):
        raise sqs_errors.SqsError(
            "InvalidParameterValue",
            f"The message attribute '{name}' must contain non-empty message attribute value"
            f" for message attribute type '{kind}'.",
        )
