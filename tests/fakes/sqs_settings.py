"""Attributes of the double's queues: names, ranges and defaults, as CreateQueue takes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from tests.fakes import sqs_errors

REGION = "eu-west-2"
ACCOUNT = "000000000000"

MAX_VISIBILITY_S = 43_200
MAX_DELAY_S = 900
MAX_WAIT_S = 20

DEFAULTS: Mapping[str, str] = {
    "DelaySeconds": "0",
    "MaximumMessageSize": "1048576",
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": "0",
    "SqsManagedSseEnabled": "true",
    "VisibilityTimeout": "30",
}
_RANGES: Mapping[str, range] = {
    "DelaySeconds": range(MAX_DELAY_S + 1),
    "MaximumMessageSize": range(1024, 1_048_576 + 1),
    "MessageRetentionPeriod": range(60, 1_209_600 + 1),
    "ReceiveMessageWaitTimeSeconds": range(MAX_WAIT_S + 1),
    "VisibilityTimeout": range(MAX_VISIBILITY_S + 1),
}
_TEXTS = frozenset(
    {
        "KmsDataKeyReusePeriodSeconds",
        "KmsMasterKeyId",
        "Policy",
        "RedriveAllowPolicy",
        "SqsManagedSseEnabled",
    }
)
# What SQS says of a queue and nobody sets.
COUNTED = ("Delayed", "", "NotVisible")
_TOLD = frozenset(
    {
        "All",
        "CreatedTimestamp",
        "LastModifiedTimestamp",
        "QueueArn",
        "RedrivePolicy",
        *(f"ApproximateNumberOfMessages{kind}" for kind in COUNTED),
    }
)
READABLE = _TOLD | _TEXTS | _RANGES.keys()


@dataclass(frozen=True, slots=True)
class Redrive:
    """A redrive policy: to which queue, after how many receives."""

    arn: str
    max_receives: int


def with_changes(attributes: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """The attributes after a call that sets some; an empty value takes a policy away."""
    for name, value in changes.items():
        allowed = _RANGES.get(name)
        if allowed is not None and not (value.isdigit() and int(value) in allowed):
            raise _invalid(name)
        if allowed is None and name not in _TEXTS and name != "RedrivePolicy":
            raise sqs_errors.SqsError("InvalidAttributeName", f"Unknown Attribute {name}.")
    changed = {**attributes, **changes}
    return {name: value for name, value in changed.items() if value}


def redrive_of(attributes: Mapping[str, str]) -> Redrive | None:
    """The redrive policy that the attributes name."""
    text = attributes.get("RedrivePolicy")
    if not text:
        return None
    try:
        policy = json.loads(text)
        arn, receives = policy["deadLetterTargetArn"], int(policy["maxReceiveCount"])
    except (ValueError, KeyError, TypeError):
        raise _invalid("RedrivePolicy") from None
    if not isinstance(arn, str) or not 1 <= receives <= 1000:
        raise _invalid("RedrivePolicy")
    return Redrive(arn, receives)


def _invalid(name: str) -> sqs_errors.SqsError:
    return sqs_errors.SqsError(
        "InvalidAttributeValue", f"Invalid value for the parameter {name}.", legacy=None
    )
