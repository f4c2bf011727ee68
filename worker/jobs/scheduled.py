"""Jobs that a schedule puts on the queue: one message is one run, for one date.

A schedule may fire twice, late, or not at all. So a run is known by its type and the time that it
was scheduled for, and it works with the date in its message, never with the clock of the machine
that happens to receive it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Generic, Self, TypeVar
from uuid import NAMESPACE_URL, UUID, uuid5
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel

from worker.errors import WorkerError
from worker.jobs.context import JobContext, StopReason
from worker.jobs.notices import Notices, Subject
from worker.jobs.payloads import Payload, validated
from worker.jobs.registry import Job, JobOutput
from worker.ledger.hashing import payload_hash
from worker.ledger.models import JsonObject, NewDelivery
from worker.logs import logger
from worker.queue.envelope import Envelope

_log = logger(__name__)

BUSINESS_ZONE = "Europe/London"
FIRST_YEAR, LAST_YEAR = 2000, 2199
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def london_date(instant: datetime) -> date:
    """The calendar date in London at an instant."""
    return instant.astimezone(ZoneInfo(BUSINESS_ZONE)).date()


def run_key(job_type: str, scheduled_time: datetime) -> str:
    """The key of the run of this type at this time, which is in UTC."""
    at = scheduled_time.isoformat().replace("+00:00", "Z")
    return f"{job_type}:{at}"


def instant_of(value: object) -> datetime:
    """The time that a message gives as ISO 8601 with its zone, in UTC; else ValueError."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None:
        raise ValueError("is not an ISO 8601 date and time")
    if moment.utcoffset() is None:
        raise ValueError("has no time zone")
    _check_year(moment)
    return moment.astimezone(UTC)


def _run_date(value: object) -> date:
    if isinstance(value, str) and _DATE.fullmatch(value):
        day = date.fromisoformat(value)
        _check_year(day)
        return day
    # A schedule can write nothing into a message but the time at which it fires.
    return london_date(instant_of(value))


def _check_year(day: date) -> None:
    # Near the ends of the calendar neither zones nor windows can be calculated.
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"is not in the years {FIRST_YEAR} to {LAST_YEAR}")


ScheduledTime = Annotated[datetime, BeforeValidator(instant_of)]
RunDate = Annotated[
    date,
    BeforeValidator(_run_date),
    WithJsonSchema({"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}),
]


class ScheduledRequest(Payload):
    """What the message of every scheduled job has; each type adds its own fields.

    A key that no field has is refused: a misspelt limit would otherwise widen a run.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        alias_generator=to_camel,
    )

    job_type: str = Field(exclude=True)
    scheduled_time: ScheduledTime = Field(
        description="when the schedule fired, with its time zone; identifies the run"
    )
    run_date: RunDate = Field(
        description="the date that the run is for: YYYY-MM-DD, or a time with its zone, which"
        " stands for its date in London"
    )
    run_id: UUID | None = Field(
        None, description="correlates log lines and files of the run; default made of its key"
    )
    trace_id: JsonValue = Field(None, exclude=True)

    @model_validator(mode="after")
    def _not_before_its_time(self) -> Self:
        if self.run_date > london_date(self.scheduled_time):
            raise ValueError("runDate is later than the scheduled time")
        return self

    @property
    def key(self) -> str:
        """Type and scheduled time: the same for every copy of the message."""
        return run_key(self.job_type, self.scheduled_time)

    @property
    def run(self) -> UUID:
        """The run's id: that of the message, else the same one at every attempt."""
        return self.run_id or uuid5(NAMESPACE_URL, self.key)

    def payload(self) -> dict[str, JsonValue]:
        """The request as it is stored, under the names of the message."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class ScheduledResult(BaseModel):
    """What a run has done; stored under camel-case names. Holds no personal data: it is kept."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    def counts(self) -> Mapping[str, int]:
        """The figures that the log line at the end of the run shows."""
        return {}


RequestT = TypeVar("RequestT", bound=ScheduledRequest)


@dataclass(frozen=True, slots=True)
class Summaries:
    """What operators search the log for: how a run of this type ends."""

    complete: str
    failed: str


@dataclass(frozen=True, slots=True)
class ScheduledType(Generic[RequestT]):
    """A type of scheduled job: ``perform`` does one run and says what it has done.

    ``perform`` may be called again for a run that was made before, or that another worker is
    making. It raises PermanentError, TransientError or Interrupted, as any job does.
    """

    name: str
    model: type[RequestT]
    perform: Callable[[RequestT, JobContext], ScheduledResult]
    notices: Notices
    summaries: Summaries
    layer_sets: tuple[tuple[str, ...], ...] = ()

    def accept(self, envelope: Envelope) -> Job:
        """Validate the payload; raises MessageError ``payload_invalid``."""
        return ScheduledJob(self, validated(self.model, envelope.body))


class ScheduledJob(Generic[RequestT]):
    """One run, for one date; needs no reference layer."""

    layers: tuple[str, ...] = ()
    optional_layers: tuple[str, ...] = ()

    def __init__(self, kind: ScheduledType[RequestT], request: RequestT) -> None:
        self._kind = kind
        self._request = request
        self.type = kind.name
        self.key = request.key
        self.payload: JsonObject = request.payload()
        # A schedule that fires twice may number its runs.
        asked = {name: value for name, value in self.payload.items() if name != "runId"}
        self.payload_hash = payload_hash(asked, kind.name)

    def run(self, context: JobContext) -> JobOutput:
        with self._reported(context) as counts:
            result = self._kind.perform(self._request, context)
            counts.update(result.counts())
        return JobOutput(result.model_dump(mode="json", by_alias=True))

    def started(self) -> tuple[NewDelivery, ...]:
        return ()

    def failed(self, error: WorkerError) -> tuple[NewDelivery, ...]:
        about = f"{self.type} for {self._request.run_date}"
        return self._kind.notices.failed(Subject(self.key, about, self.type), error)

    @contextmanager
    def _reported(self, context: JobContext) -> Iterator[dict[str, int]]:
        about = {"job_type": self.type, "run_date": str(self._request.run_date)}
        counts: dict[str, int] = {}
        error_code: str | None = None
        complete = False
        started = time.monotonic()
        try:
            yield counts
            complete = True
        except WorkerError as error:
            error_code = error.code
            raise
        finally:
            # Summaries and names of fields are those that operators already search for.
            taken_ms = round((time.monotonic() - started) * 1000)
            took = {"timeTakenMs": taken_ms, "timeTakenSs": taken_ms // 1000}
            summaries = self._kind.summaries
            if complete:
                _log.info("run.completed", summary=summaries.complete, **about, **counts, **took)
            elif context.interruption.reason in (None, StopReason.TIMED_OUT):
                # A stop, a lost lease or a message held too long says nothing about the run.
                _log.error(
                    "run.failed", summary=summaries.failed, error_code=error_code, **about, **took
                )
