"""The line as Elastic Common Schema names it, beside the short names of our own.

Both are there on purpose: the platform's index keeps the names of the schema, and people who type
a query in CloudWatch Logs Insights use ``error_code`` and ``job_id``.
"""

from __future__ import annotations

import sys

from structlog.typing import EventDict, WrappedLogger

SERVICE_NAME = "nrf-impact-assessment-worker"
ECS_VERSION = "8.11.0"

# What stands for itself: the verb says that it went well.
_SUCCESS = frozenset({"completed", "loaded", "made", "succeeded", "switched"})
_TROUBLE = frozenset({"warning", "error", "critical"})
# structlog's own names, that stand first on the line under the schema's.
_RENAMED = ("@timestamp", "level", "event", "logger", "exception")


def name_action(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """``event.action`` for events of our own; a library's text is a message only."""
    event["event.action"] = event["event"]
    return event


def describe_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """``error.type`` and ``error.message`` of the exception that is logged, if there is one."""
    error = _exception(event.get("exc_info"))
    if error is not None:
        kind = type(error)
        builtin = kind.__module__ == "builtins"
        event["error.type"] = kind.__name__ if builtin else f"{kind.__module__}.{kind.__name__}"
        event["error.message"] = str(error)
    return event


class EcsFields:
    """structlog's processor: the schema's fields first, then everything else of the event."""

    def __init__(self, version: str) -> None:
        self._version = version

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        line: EventDict = {
            "@timestamp": event.get("@timestamp"),
            "log.level": event.get("level"),
            "message": event.get("event", ""),
            "log.logger": event.get("logger"),
            "ecs.version": ECS_VERSION,
            "service.name": SERVICE_NAME,
            "service.version": self._version,
        }
        if event.get("correlation_id") is not None:
            line["trace.id"] = event["correlation_id"]
        if event.get("exception") is not None:
            line["error.stack_trace"] = event["exception"]
        line.update(_error_fields(event))
        line.update(_event_fields(event))
        line.update({name: value for name, value in event.items() if name not in _RENAMED})
        return line


def _error_fields(event: EventDict) -> EventDict:
    fields: EventDict = {}
    if event.get("error_code") is not None:
        fields["error.code"] = event["error_code"]
    said = event.get("error_sentence") or event.get("error_detail") or event.get("problem")
    if said:
        fields["error.message"] = said
    return fields


def _event_fields(event: EventDict) -> EventDict:
    if "event.action" not in event:
        return {}
    fields: EventDict = {}
    duration_s = event.get("duration_s")
    if isinstance(duration_s, int | float):
        fields["event.duration"] = round(duration_s * 1_000_000_000)
    if event.get("reason") is not None:
        fields["event.reason"] = event["reason"]
    outcome = _outcome(event)
    if outcome is not None:
        fields["event.outcome"] = outcome
    return fields


def _outcome(event: EventDict) -> str | None:
    if str(event["event.action"]).rpartition(".")[2] in _SUCCESS:
        return "success"
    wrong = event.get("error_code") is not None or "error.type" in event or "problem" in event
    return "failure" if wrong and event.get("level") in _TROUBLE else None


def _exception(info: object) -> BaseException | None:
    """The exception that ``exc_info`` stands for, in each of the forms that logging knows."""
    if isinstance(info, BaseException):
        return info
    if isinstance(info, tuple):
        return info[1] if isinstance(info[1], BaseException) else None
    return sys.exc_info()[1] if info else None
