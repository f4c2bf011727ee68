"""The errors of SQS that the double raises, with the codes and statuses of AWS."""

from __future__ import annotations

_OLD = "AWS.SimpleQueueService."


class SqsError(Exception):
    """An error as SQS answers it.

    ``legacy`` is the code of the older protocol, sent along in a header: boto3 prefers it.
    """

    def __init__(
        self, code: str, message: str, *, status: int = 400, legacy: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.legacy = legacy or code


def no_queue() -> SqsError:
    return SqsError(
        "QueueDoesNotExist",
        "The specified queue does not exist.",
        legacy=f"{_OLD}NonExistentQueue",
    )


def bad_value(value: object, parameter: str, reason: str) -> SqsError:
    return SqsError(
        "InvalidParameterValue",
        f"Value {value} for parameter {parameter} is invalid. Reason: {reason}",
    )


def missing(parameter: str) -> SqsError:
    return SqsError("MissingParameter", f"The request must contain the parameter {parameter}.")


def not_a_handle() -> SqsError:
    return SqsError("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")


def not_in_flight(handle: str) -> SqsError:
    """A real handle whose message somebody else has by now, or nobody has any more."""
    return bad_value(
        handle,
        "ReceiptHandle",
        "Message does not exist or is not available for visibility timeout change.",
    )


def beyond_the_cap(value: int) -> SqsError:
    return bad_value(
        value,
        "VisibilityTimeout",
        "Total VisibilityTimeout for the message is beyond the limit [43200 seconds].",
    )


def over_limit(limit: int) -> SqsError:
    return SqsError(
        "OverLimit",
        f"More than {limit} messages of the queue are in flight.",
        status=403,
        legacy=f"{_OLD}OverLimit",
    )


def of_batch(code: str, message: str) -> SqsError:
    """A batch that is refused as a whole."""
    return SqsError(code, message, legacy=f"{_OLD}{code}")
