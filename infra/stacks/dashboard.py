"""The service on one page."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch

from infra.stacks.data import Data
from infra.stacks.metrics import Metrics
from infra.stage import Stage

_FIVE_MINUTES = Duration.minutes(5)
_OUTCOMES = (
    "succeeded",
    "failed",
    "invalid",
    "retried",
    "reaped",
    "handed_back",
    "cancelled",
    "fenced",
)
_DELIVERIES = ("backend.quote_patch", "backend.job_result", "notify.email")
_THIRD = 8


def draw_dashboard(
    scope: Stack, stage: Stage, data: Data, metrics: Metrics, alarms: Sequence[cloudwatch.IAlarm]
) -> None:
    """Alarms first, then what comes in, what is done with it, and what it is done with."""
    queues = data.queues
    types = stage.config.service.job_types

    def of_workers(name: str, statistic: str, **dimensions: str) -> cloudwatch.Metric:
        return metrics.worker(
            name,
            statistic,
            period=_FIVE_MINUTES,
            label=" ".join(dimensions.values()) or name,
            **dimensions,
        )

    dashboard = cloudwatch.Dashboard(
        scope,
        "Dashboard",
        dashboard_name=stage.called("worker"),
        default_interval=Duration.hours(6),
    )
    dashboard.add_widgets(
        cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=24, height=4)
    )
    dashboard.add_widgets(
        _graph("Messages waiting", metrics.waiting(queues.jobs)),
        _graph("Oldest message (s)", metrics.oldest(queues.jobs)),
        _graph(
            "Dead letters",
            metrics.waiting(queues.dead_letters),
            metrics.waiting(queues.unsent_schedules),
        ),
    )
    dashboard.add_widgets(
        _graph("Jobs by type", *(of_workers("Jobs", "Sum", JobType=name) for name in types)),
        _graph(
            "Outcomes of assessments",
            *(
                of_workers("Jobs", "Sum", JobType="impact-assessment", Outcome=outcome)
                for outcome in _OUTCOMES
            ),
        ),
        _graph(
            "Duration of assessments (ms)",
            *(
                of_workers("JobDuration", statistic, JobType="impact-assessment")
                for statistic in ("p50", "p95", "Maximum")
            ),
        ),
    )
    dashboard.add_widgets(
        _graph("From sent to started (ms)", of_workers("QueueLatency", "p95")),
        _graph(
            "Deliveries made",
            *(
                of_workers("Deliveries", "Sum", Kind=kind, Outcome="delivered")
                for kind in _DELIVERIES
            ),
        ),
        _graph(
            "Deliveries not made",
            of_workers("DeliveryFailures", "Sum"),
            of_workers("DeliveriesPending", "Maximum"),
        ),
    )
    dashboard.add_widgets(
        _graph("Running tasks", metrics.running_tasks()),
        _graph("Memory and CPU (%)", metrics.memory(), metrics.cpu()),
        _graph("Resident memory (MB)", of_workers("ResidentMemory", "Maximum")),
    )


def _graph(title: str, *lines: cloudwatch.Metric) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(lines), width=_THIRD)
