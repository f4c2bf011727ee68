"""structlog to JSON lines on standard output, with the correlation id on every record.

A ``logging.Filter`` puts the id on records of every library too (boto3's included), since they do
not go through structlog. Secrets and personal data are taken out of every value before a line is
written, whoever wrote it.
"""

from __future__ import annotations

import logging
import logging.config
import sys
from typing import Literal, Protocol

import structlog
from structlog.typing import Processor

from worker.logs.context import (
    CorrelationFilter,
    about,
    add_context,
    adopt_correlation_id,
    correlated,
    correlation_id,
)
from worker.logs.ecs import SERVICE_NAME, EcsFields, describe_exception, name_action
from worker.logs.redaction import redact, redact_event

__all__ = [
    "SERVICE_NAME",
    "LogSettings",
    "about",
    "adopt_correlation_id",
    "configure",
    "correlated",
    "correlation_id",
    "logger",
    "redact",
]

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


class LogSettings(Protocol):
    """How a process logs; a protocol, so that the health process need not load the settings."""

    @property
    def service_version(self) -> str: ...

    @property
    def log_level(self) -> str: ...

    @property
    def log_format(self) -> str: ...

    @property
    def in_ecs(self) -> bool: ...


def configure(
    runtime: LogSettings,
    *,
    stream: Literal["stdout", "stderr"] = "stdout",
    observers: tuple[Processor, ...] = (),
) -> None:
    """Send all logging of this process to ``stream``; JSON unless a terminal reads it.

    ``observers`` see each event of ours before its level decides whether it is written.
    """
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="@timestamp"),
        add_context,
    ]
    renderer: list[Processor] = (
        [structlog.processors.ExceptionRenderer(), redact_event, structlog.dev.ConsoleRenderer()]
        if _for_people(runtime, stream)
        else [
            describe_exception,
            structlog.processors.format_exc_info,
            redact_event,
            EcsFields(runtime.service_version),
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
            *((add_context, *observers) if observers else ()),
            structlog.stdlib.filter_by_level,
            *shared,
            name_action,
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


def _for_people(runtime: LogSettings, stream: Literal["stdout", "stderr"]) -> bool:
    if runtime.log_format != "auto":
        return runtime.log_format == "console"
    reader = sys.stdout if stream == "stdout" else sys.stderr
    # ECS gives a task a terminal if it is asked to, but what reads it is the log driver.
    return reader.isatty() and not runtime.in_ecs
