"""structlog to JSON lines on standard output, with the correlation id on every record.

The id lives in a ContextVar for one message. A ``logging.Filter`` puts it on records of every
library too (boto3's included), since they do not go through structlog. Secrets and personal data
are taken out of every value before a line is written, whoever wrote it.
"""

from __future__ import annotations

import logging
import logging.config
import math
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, Protocol

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

SERVICE_NAME = "nrf-impact-assessment-worker"

_correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)

_SECRET_KEYS = re.compile(
    r"(?i)(authori[sz]ation|cookie|password|passwd|secret|token|api[-_]?key|credential|receipt)"
)
# Fields that carry whole payloads; the body of a message never reaches a log.
_BODY_KEYS = frozenset({"body", "payload", "geometry", "boundaryGeojson", "personalisation"})
_MASKED = "[redacted]"
# Libraries that log a line for each request, retry or connection below warning level.
_TALKATIVE = (
    "alembic",
    "boto3",
    "botocore",
    "httpcore",
    "httpx",
    "urllib3",
    "waitress",
)
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# Repetitions are bounded where they could start anywhere: a long text must not cost its square.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Up to the last @ of the word, since a password may hold one.
    (
        re.compile(r"([a-z][a-z0-9+.-]{0,30}://[^\s:/@]{0,256}):[^\s'\"]{0,2000}@"),
        r"\1:[redacted]@",
    ),
    (
        re.compile(
            r"(?i)((?:password|passwd|pwd|secret|token|api[-_]?key)[\w-]{0,40})['\"]?\s*[=:]\s*"
            r"(?:'[^']*'|\"[^\"]*\"|[^\s&,]+)"
        ),
        r"\1=[redacted]",
    ),
    (
        re.compile(r"(?i)\b(authorization)['\"]?\s*[=:]\s*['\"]?(?:\w+\s+)?[^\s'\",]+"),
        r"\1=[redacted]",
    ),
    (re.compile(r"(?i)\bbearer\s+[\w.~+/=-]+"), "Bearer [redacted]"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), _MASKED),
    (re.compile(r"(?i)(X-Amz-(?:Signature|Security-Token|Credential))=[^&\s]+"), r"\1=[redacted]"),
    # A key of GOV.UK Notify ends in two UUIDs, of the service and of the secret.
    (re.compile(rf"(?i)\b{_UUID}-{_UUID}\b"), _MASKED),
    (re.compile(r"[\w.+'-]{1,64}@[\w-]+(?:\.[\w-]+)+"), "[e-mail]"),
)


class LogSettings(Protocol):
    """How a process logs; a protocol, so that the health process need not load the settings."""

    @property
    def service_version(self) -> str: ...

    @property
    def log_level(self) -> str: ...

    @property
    def log_format(self) -> str: ...


def correlation_id() -> str | None:
    """The id of the message being handled in this context, if any."""
    return _correlation_id.get()


@contextmanager
def correlated(value: str) -> Iterator[None]:
    """Set the correlation id for one message and put the previous one back after it."""
    token = _correlation_id.set(value)
    try:
        yield
    finally:
        _correlation_id.reset(token)


def adopt_correlation_id(value: str) -> None:
    """Go on under another id until the enclosing ``correlated`` block ends."""
    _correlation_id.set(value)


def redact(text: str) -> str:
    """``text`` without passwords in URLs, tokens, e-mail addresses, and NULs (for PostgreSQL)."""
    text = text.replace("\x00", "")
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


class CorrelationFilter(logging.Filter):
    """Puts the current correlation id on every record, also those of libraries."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.correlation_id = _correlation_id.get()
        return True


def configure(runtime: LogSettings, *, stream: Literal["stdout", "stderr"] = "stdout") -> None:
    """Send all logging of this process to ``stream``; JSON unless a terminal reads it."""
    reader = sys.stdout if stream == "stdout" else sys.stderr
    console = runtime.log_format == "console" or (runtime.log_format == "auto" and reader.isatty())
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="@timestamp"),
        _add_correlation_id,
    ]
    renderer: list[Processor] = (
        [structlog.processors.ExceptionRenderer(), _redact, structlog.dev.ConsoleRenderer()]
        if console
        else [
            structlog.processors.format_exc_info,
            _redact,
            _ServiceFields(runtime.service_version),
            structlog.processors.JSONRenderer(),
        ]
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"correlation": {"()": CorrelationFilter}},
            "formatters": {
                "line": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        *renderer,
                    ],
                    "foreign_pre_chain": shared,
                }
            },
            "handlers": {
                "stream": {
                    "class": "logging.StreamHandler",
                    "stream": f"ext://sys.{stream}",
                    "formatter": "line",
                    "filters": ["correlation"],
                }
            },
            "root": {"handlers": ["stream"], "level": runtime.log_level.upper()},
            "loggers": {
                **{name: {"level": "WARNING"} for name in _TALKATIVE},
                # Each failure to connect is reported once, by whoever asked for the connection.
                "psycopg.pool": {"level": "ERROR"},
            },
        }
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module; lazy, so that it costs nothing at import."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound


def _add_correlation_id(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    current = _correlation_id.get()
    if current is not None:
        event.setdefault("correlation_id", current)
    return event


class _ServiceFields:
    """Elastic Common Schema names for the standard fields of a line."""

    def __init__(self, version: str) -> None:
        self._version = version

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        line: EventDict = {
            "@timestamp": event.pop("@timestamp", None),
            "log.level": event.pop("level", None),
            "message": event.pop("event", ""),
            "log.logger": event.pop("logger", None),
            "service.name": SERVICE_NAME,
            "service.version": self._version,
        }
        current = event.get("correlation_id")
        if current is not None:
            line["trace.id"] = current
        exception = event.pop("exception", None)
        if exception is not None:
            line["error.stack_trace"] = exception
        line.update(event)
        return line


def _redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: str, value: object) -> object:
    if key in _BODY_KEYS or _SECRET_KEYS.search(key):
        return _MASKED
    match value:
        case str():
            return redact(value)
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {str(name): _redacted(str(name), item) for name, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_redacted(key, item) for item in value]
        case _:
            return redact(str(value))
