"""What a line is about: the correlation id and the job of the message that is being handled.

Both live in ContextVars for one message. A thread has them if it is given a copy of the context.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

from structlog.typing import EventDict, WrappedLogger

_NOTHING: Mapping[str, str | int] = MappingProxyType({})

_correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)
_subject: ContextVar[Mapping[str, str | int]] = ContextVar("subject", default=_NOTHING)


def correlation_id() -> str | None:
    """The id of the message being handled in this context, if any."""
    return _correlation_id.get()


@contextmanager
def correlated(value: str) -> Iterator[None]:
    """Set the correlation id for one message and put the previous one back after it.

    Another id means another message, so what the lines were about ends too.
    """
    same = value == _correlation_id.get()
    token = _correlation_id.set(value)
    subject = _subject.set(_subject.get() if same else _NOTHING)
    try:
        yield
    finally:
        _subject.reset(subject)
        _correlation_id.reset(token)


def adopt_correlation_id(value: str) -> None:
    """Go on under another id until the enclosing ``correlated`` block ends."""
    _correlation_id.set(value)


def about(**fields: str | int) -> None:
    """Put these fields on every line until the enclosing ``correlated`` block ends."""
    _subject.set(MappingProxyType({**_subject.get(), **fields}))


class CorrelationFilter(logging.Filter):
    """Puts the current correlation id on every record, also those of libraries."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.correlation_id = _correlation_id.get()
        return True


def add_context(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """structlog's processor: the id and the subject, where the line does not say otherwise."""
    current = _correlation_id.get()
    if current is not None:
        event.setdefault("correlation_id", current)
    for name, value in _subject.get().items():
        event.setdefault(name, value)
    return event
