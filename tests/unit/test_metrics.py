"""Events become figures that CloudWatch takes; what goes wrong with a figure stays with it."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fakes.embedded_metrics import Figure, figures
from worker import logs
from worker.metrics import BEAT_S, Metrics, Target, observers
from worker.metrics.emf import EmbeddedMetrics
from worker.settings import RuntimeSettings

_PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


@dataclass
class Written:
    """What was written, and the clock that the beat goes by."""

    lines: list[dict[str, object]] = field(default_factory=list)
    clock_s: float = 0.0

    def take(self, text: str) -> None:
        assert text.endswith("\n")
        assert text.count("\n") == 1
        self.lines.append(json.loads(text))

    def figures(self, name: str) -> list[Figure]:
        return [one for one in figures(self.lines) if one.name == name]

    def values(self, name: str) -> list[float]:
        """Of the metric without dimensions but the service."""
        return [one.value for one in self.figures(name) if not one.dimensions]


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture
def observe(written: Written) -> Callable[..., None]:
    """Has an event observed, as a logger would."""
    emitted = EmbeddedMetrics("Namespace", "the-service", write=written.take)
    metrics = Metrics(emitted, clock=lambda: written.clock_s)

    def log(event: str, **fields: object) -> None:
        seen: dict[str, object] = {"event": event, **fields}
        before = dict(seen)
        assert metrics(None, "info", seen) == before, "an observer changes nothing"

    return log


JOB: Mapping[str, object] = {"job_id": "job-1", "job_type": "impact-assessment", "attempt": 1}


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        ("job.succeeded", "succeeded"),
        ("job.failed", "failed"),
        ("job.retried", "retried"),
        ("job.handed_back", "handed_back"),
        ("job.cancelled", "cancelled"),
        ("claim.fenced", "fenced"),
        ("lease.lost", "fenced"),
    ],
)
def test_the_end_of_an_attempt_counts_by_type_and_outcome(
    observe: Callable[..., None], written: Written, event: str, outcome: str
) -> None:
    observe(event, **JOB, duration_s=1.25)
    by_type = {"JobType": "impact-assessment"}
    for name, value in (("Jobs", 1), ("JobDuration", 1250)):
        assert written.figures(name) == [
            Figure(name, value, {}),
            Figure(name, value, by_type),
            Figure(name, value, {**by_type, "Outcome": outcome}),
        ]
    assert written.values("Retries") == [int(outcome == "retried")]
    assert written.values("ClaimsFenced") == [int(outcome == "fenced")]
    assert written.lines[0]["job_id"] == "job-1"
    assert written.values("ResidentMemory")[0] > 1


def test_how_long_a_message_has_waited_is_told_at_the_first_attempt_only(
    observe: Callable[..., None], written: Written
) -> None:
    observe("job.claimed", **JOB, queued_s=2.5)
    observe("job.claimed", **{**JOB, "attempt": 2}, queued_s=300.0)
    observe("job.claimed", **JOB, queued_s=None)
    assert written.values("QueueLatency") == [2500]


@pytest.mark.parametrize(
    ("event", "fields", "outcome", "failed"),
    [
        ("delivery.made", {"outcome": "delivered"}, "delivered", None),
        ("delivery.made", {"outcome": "already_delivered"}, "already_delivered", None),
        ("delivery.postponed", {"error_code": "backend_unavailable"}, "postponed", True),
        ("delivery.rejected", {"error_code": "backend_rejected"}, "rejected", True),
        ("delivery.refused", {"error_code": "notify_refused_us"}, "refused", True),
        ("delivery.superseded", {"error_code": "superseded"}, "superseded", None),
    ],
)
def test_a_delivery_counts_by_kind_and_outcome_and_a_failed_one_by_code(
    observe: Callable[..., None],
    written: Written,
    event: str,
    fields: dict[str, str],
    outcome: str,
    failed: bool | None,
) -> None:
    observe(event, kind="notify.email", duration_s=0.5, **fields)
    assert written.figures("Deliveries")[1] == Figure(
        "Deliveries", 1, {"Kind": "notify.email", "Outcome": outcome}
    )
    assert written.values("DeliveryDuration") == [500]
    codes = [one.dimensions.get("ErrorCode") for one in written.figures("DeliveryFailures")]
    assert codes == ([None, fields["error_code"]] if failed else [])


def test_a_delivery_that_crashed_is_one_that_failed(
    observe: Callable[..., None], written: Written
) -> None:
    observe("delivery.crashed", kind="notify.email", duration_s=0.5)
    assert written.figures("DeliveryFailures")[1].dimensions == {"ErrorCode": "internal_error"}


def test_a_message_that_is_no_job_counts_as_invalid(
    observe: Callable[..., None], written: Written
) -> None:
    observe("message.invalid", error_code="message_not_json")
    observe("job.payload_mismatch", **JOB)
    kinds = [one.dimensions for one in written.figures("Jobs") if "Outcome" in one.dimensions]
    assert kinds == [
        {"JobType": "unreadable", "Outcome": "invalid"},
        {"JobType": "impact-assessment", "Outcome": "invalid"},
    ]


def test_what_waits_in_the_ledger_is_a_gauge(
    observe: Callable[..., None], written: Written
) -> None:
    observe("ledger.measured", deliveries_pending=3, oldest_delivery_s=61.5, jobs_stranded=1)
    assert written.values("DeliveriesPending") == [3]
    assert written.values("DeliveriesPendingAge") == [61.5]
    assert written.values("JobsStranded") == [1]


def test_polls_and_renewals_are_summed_up_until_the_next_beat(
    observe: Callable[..., None], written: Written
) -> None:
    for _ in range(3):
        observe("queue.polled", messages=0)
    observe("queue.unreachable", error_code="queue_unavailable")
    observe("lease.renewed", hold="job-1")
    observe("lease.renewal_failed", hold="job-1")
    assert written.lines == []
    written.clock_s += BEAT_S
    observe("queue.polled", messages=1)
    for name, value in (
        ("Polls", 5),
        ("PollFailures", 1),
        ("Renewals", 1),
        ("RenewalFailures", 1),
        ("ConfigurationFault", 0),
        ("DependencyDown", 0),
    ):
        assert written.values(name) == [value]
    written.clock_s += BEAT_S
    observe("lease.renewed", hold="job-1")
    assert written.values("Polls") == [5, 0], "counted from the last beat"


def test_a_configuration_fault_is_told_at_once_and_until_polling_goes_on(
    observe: Callable[..., None], written: Written
) -> None:
    observe("polling.paused", error_code="backend_refused_us")
    for event, fields in (
        ("polling.waiting", {"configuration_fault": True}),
        ("polling.waiting", {"configuration_fault": False}),
        ("queue.polled", {}),
    ):
        written.clock_s += BEAT_S
        observe(event, **fields)
    assert written.values("ConfigurationFault") == [1, 1, 0, 0]
    assert written.values("DependencyDown") == [0, 0, 1, 0]


def test_what_is_searched_for_is_redacted_like_the_log(
    observe: Callable[..., None], written: Written
) -> None:
    observe("message.stranded", correlation_id="me@example.com", message_id="x")
    (line,) = written.lines
    assert line["correlation_id"] == "[e-mail]"
    assert written.values("MessagesStranded") == [1]


def test_other_events_are_no_figures(observe: Callable[..., None], written: Written) -> None:
    observe("worker.started", worker_id="a")
    observe("job.busy", lease_remaining_s=3.0)
    assert written.lines == []


class Stream(io.StringIO):
    """Standard output that a test reads."""


def test_figures_are_written_whatever_the_level_and_an_error_in_one_is_told_once(
    own_logging: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Stream()
    monkeypatch.setattr(sys, "stdout", stream)
    logs.configure(
        RuntimeSettings(log_format="json", log_level="error"),
        observers=observers(Target("Namespace", "the-service")),
    )
    log = logs.logger("test.metrics")
    with logs.correlated("one"):
        logs.about(job_type="impact-assessment")
        log.info("job.succeeded", duration_s=1.0)
        log.info("job.succeeded")
        log.info("job.succeeded", duration_s="soon")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    told = [line for line in lines if "message" in line]
    assert [line["message"] for line in told] == ["metrics.failed"]
    assert (told[0]["observed"], told[0]["error.type"]) == ("job.succeeded", "KeyError")
    assert [one.value for one in figures(lines) if one.name == "Jobs"] == [1, 1, 1]
    assert lines[0]["correlation_id"] == "one"


def test_without_a_target_nothing_observes() -> None:
    assert observers(None) == ()


def test_the_page_names_each_metric_with_its_unit_and_its_dimensions(
    observe: Callable[..., None], written: Written
) -> None:
    observe("job.claimed", **JOB, queued_s=1.0)
    observe("job.succeeded", **JOB, duration_s=1.0)
    observe("delivery.refused", kind="a", error_code="b", duration_s=1.0)
    observe("message.stranded")
    observe("ledger.measured", deliveries_pending=0, oldest_delivery_s=0, jobs_stranded=0)
    observe("health.failed")
    emitted = set()
    for line in written.lines:
        metadata = line["_aws"]
        assert isinstance(metadata, dict)
        (directive,) = metadata["CloudWatchMetrics"]
        for metric in directive["Metrics"]:
            sets = ["+".join(names[1:]) or "-" for names in directive["Dimensions"]]
            emitted.add((metric["Name"], metric["Unit"], " ".join(sets)))

    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]+) \|", _PAGE.read_text(), re.MULTILINE)
    assert {(name, unit, sets.strip()) for name, unit, sets in rows} == emitted
