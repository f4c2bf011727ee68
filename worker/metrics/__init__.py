"""CloudWatch metrics, made of the events that are logged: one stream, so they cannot disagree.

``Metrics`` sees each event before its level decides whether it is written, and writes what is a
figure as one line of CloudWatch's embedded metric format, which CloudWatch Logs reads by itself.
Every dimension has few values; what has many (a job, a correlation id) stands beside them as a
plain member. Alarms and dashboards name these metrics: see docs/metrics.md.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from structlog.typing import EventDict, WrappedLogger

from worker.logs import logger, redact
from worker.memory import resident_mb
from worker.metrics.emf import EmbeddedMetrics, Metric, Unit, to_stdout

_log = logger(__name__)

# How often the figures of the process are written, however many polls and renewals there are.
BEAT_S = 30.0

# How an attempt at a job ended, by the event that says so.
_ENDS = {
    "job.succeeded": "succeeded",
    "job.failed": "failed",
    "job.retried": "retried",
    "job.handed_back": "handed_back",
    "job.cancelled": "cancelled",
    "claim.fenced": "fenced",
    "lease.lost": "fenced",
}
# What else becomes of a job, or of a message that is none.
_NO_ATTEMPT = {
    "message.invalid": "invalid",
    "job.payload_mismatch": "invalid",
    "job.reaped": "reaped",
}
_DELIVERIES = {
    "delivery.made": "delivered",
    "delivery.postponed": "postponed",
    "delivery.rejected": "rejected",
    "delivery.refused": "refused",
    "delivery.crashed": "postponed",
    "delivery.superseded": "superseded",
}
_UNREADABLE = "unreadable"
# What has too many values for a dimension, but is worth a search.
_MEMBERS = ("correlation_id", "job_id", "error_code")


@dataclass(frozen=True, slots=True)
class Target:
    """Where metrics go: a namespace of CloudWatch, and the value of dimension ServiceName."""

    namespace: str
    service_name: str


def observers(target: Target | None) -> tuple[Metrics, ...]:
    """What ``logs.configure`` is given; nothing where metrics are off."""
    if target is None:
        return ()
    return (Metrics(EmbeddedMetrics(target.namespace, target.service_name, write=to_stdout)),)


class Metrics:
    """A processor for ``logs.configure``: turns events into lines and passes them on unchanged.

    An error here costs a figure, never a job: it is logged once for each kind of event.
    """

    def __init__(
        self, emitted: EmbeddedMetrics, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._emitted = emitted
        self._clock = clock
        # The keeper's thread and that of the deliveries log too.
        self._lock = threading.Lock()
        self._failed: set[str] = set()
        self._beat_at = clock()
        self._counts = dict.fromkeys(("Polls", "PollFailures", "Renewals", "RenewalFailures"), 0)
        self._configuration_fault = False
        self._dependency_down = False

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        name = str(event.get("event"))
        try:
            self._observe(name, event)
        except Exception:  # noqa: BLE001 - whatever is wrong with a figure, the job goes on
            if name not in self._failed:
                self._failed.add(name)
                _log.error("metrics.failed", observed=name, exc_info=True)
        return event

    def _observe(self, name: str, event: EventDict) -> None:
        if name in _ENDS:
            self._attempt_ended(_ENDS[name], event)
        elif name in _NO_ATTEMPT:
            self._no_attempt(_NO_ATTEMPT[name], event)
        elif name in _DELIVERIES:
            self._delivery(event.get("outcome", _DELIVERIES[name]), event)
        elif name == "job.claimed":
            self._claimed(event)
        elif name == "message.stranded":
            self._emit((Metric("MessagesStranded", "Count", 1),), event)
        elif name == "ledger.measured":
            self._stock(event)
        elif name == "health.failed":
            self._emit((Metric("HealthFailures", "Count", 1),), event)
        else:
            self._process(name, event)

    def _attempt_ended(self, outcome: str, event: EventDict) -> None:
        job_type = event["job_type"]
        self._emit(
            (
                Metric("Jobs", "Count", 1),
                Metric("JobDuration", "Milliseconds", round(event["duration_s"] * 1000)),
            ),
            event,
            {"JobType": job_type, "Outcome": outcome},
            ((), ("JobType",), ("JobType", "Outcome")),
        )
        self._emit(
            (
                Metric("Retries", "Count", int(outcome == "retried")),
                Metric("ClaimsFenced", "Count", int(outcome == "fenced")),
            ),
            event,
            {"JobType": job_type},
            ((), ("JobType",)),
        )
        self._beat()

    def _no_attempt(self, outcome: str, event: EventDict) -> None:
        self._emit(
            (Metric("Jobs", "Count", 1),),
            event,
            {"JobType": event.get("job_type", _UNREADABLE), "Outcome": outcome},
            ((), ("JobType",), ("JobType", "Outcome")),
        )

    def _claimed(self, event: EventDict) -> None:
        # Later attempts have waited for their backoff, which is no sign of too few workers.
        if event["attempt"] == 1 and event.get("queued_s") is not None:
            self._emit(
                (Metric("QueueLatency", "Milliseconds", round(event["queued_s"] * 1000)),),
                event,
                {"JobType": event["job_type"]},
                ((), ("JobType",)),
            )

    def _delivery(self, outcome: str, event: EventDict) -> None:
        self._emit(
            (
                Metric("Deliveries", "Count", 1),
                Metric("DeliveryDuration", "Milliseconds", round(event["duration_s"] * 1000)),
            ),
            event,
            {"Kind": event["kind"], "Outcome": outcome},
            ((), ("Kind", "Outcome")),
        )
        if outcome in ("postponed", "rejected", "refused"):
            self._emit(
                (Metric("DeliveryFailures", "Count", 1),),
                event,
                {"ErrorCode": event.get("error_code", "internal_error")},
                ((), ("ErrorCode",)),
            )

    def _stock(self, event: EventDict) -> None:
        self._emit(
            (
                Metric("DeliveriesPending", "Count", event["deliveries_pending"]),
                Metric("DeliveriesPendingAge", "Seconds", event["oldest_delivery_s"]),
                Metric("JobsStranded", "Count", event["jobs_stranded"]),
            ),
            event,
        )

    def _process(self, name: str, event: EventDict) -> None:
        """What the process line sums up or remembers; written when it is due, or at once."""
        at_once = False
        with self._lock:
            match name:
                case "queue.polled":
                    self._counts["Polls"] += 1
                    self._configuration_fault = self._dependency_down = False
                case "queue.unreachable":
                    self._counts["Polls"] += 1
                    self._counts["PollFailures"] += 1
                case "lease.renewed":
                    self._counts["Renewals"] += 1
                case "lease.renewal_failed":
                    self._counts["RenewalFailures"] += 1
                case "polling.waiting":
                    self._configuration_fault = event["configuration_fault"]
                    self._dependency_down = not event["configuration_fault"]
                case "polling.paused":
                    # An alarm hangs on it, and the pause may be shorter than a beat.
                    self._configuration_fault = at_once = True
                case _:
                    return
            due = at_once or self._clock() - self._beat_at >= BEAT_S
        if due:
            self._beat()

    def _beat(self) -> None:
        with self._lock:
            self._beat_at = self._clock()
            counts, self._counts = self._counts, dict.fromkeys(self._counts, 0)
            gauges = {
                "ConfigurationFault": int(self._configuration_fault),
                "DependencyDown": int(self._dependency_down),
            }
        units: tuple[tuple[Mapping[str, int], Unit], ...] = ((counts, "Count"), (gauges, "None"))
        self._emit(
            (
                Metric("ResidentMemory", "Megabytes", round(resident_mb(), 1)),
                *(
                    Metric(name, unit, value)
                    for figures, unit in units
                    for name, value in figures.items()
                ),
            ),
            {},
        )

    def _emit(
        self,
        metrics: tuple[Metric, ...],
        event: EventDict,
        dimensions: Mapping[str, str] | None = None,
        sets: tuple[tuple[str, ...], ...] = ((),),
    ) -> None:
        members = {
            name: redact(str(event[name])) for name in _MEMBERS if event.get(name) is not None
        }
        self._emitted.emit(metrics, dimensions or {}, sets, members)
