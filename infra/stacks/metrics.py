"""The metrics that alarms and dashboard look at: the worker's own, and those of AWS."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sqs as sqs

from infra.stacks.service import Service
from infra.stage import Stage

# What AWS_EMF_NAMESPACE is unless a stage sets it.
_NAMESPACE = "NRFImpactAssessmentWorker"
_MINUTE = Duration.minutes(1)


class Metrics:
    """Metrics by what they tell; an alarm has to name every dimension of a metric, and no other."""

    def __init__(self, stage: Stage, service: Service) -> None:
        self._namespace = stage.config.variables.get("AWS_EMF_NAMESPACE", _NAMESPACE)
        self._service_name = stage.metrics_service
        self._ecs = {
            "ClusterName": service.cluster.cluster_name,
            "ServiceName": service.service.service_name,
        }

    def worker(
        self,
        name: str,
        statistic: str,
        *,
        period: Duration = _MINUTE,
        label: str | None = None,
        **dimensions: str,
    ) -> cloudwatch.Metric:
        """One of the worker's, as it writes them to its log."""
        return cloudwatch.Metric(
            namespace=self._namespace,
            metric_name=name,
            statistic=statistic,
            period=period,
            label=label,
            dimensions_map={"ServiceName": self._service_name, **dimensions},
        )

    def waiting(self, queue: sqs.IQueue) -> cloudwatch.Metric:
        """Messages that could be received now."""
        return queue.metric_approximate_number_of_messages_visible(
            period=_MINUTE, statistic="Maximum"
        )

    def oldest(self, queue: sqs.IQueue) -> cloudwatch.Metric:
        """Age of the message that waits longest (seconds)."""
        return queue.metric_approximate_age_of_oldest_message(period=_MINUTE, statistic="Maximum")

    def running_tasks(self) -> cloudwatch.Metric:
        """Tasks that run, as Container Insights counts them."""
        return self._of_tasks("ECS/ContainerInsights", "RunningTaskCount", "Minimum")

    def memory(self) -> cloudwatch.Metric:
        """Memory of the fullest task, in per cent of what it may have."""
        return self._of_tasks("AWS/ECS", "MemoryUtilization", "Maximum")

    def cpu(self) -> cloudwatch.Metric:
        """CPU of the tasks, in per cent of what they may have."""
        return self._of_tasks("AWS/ECS", "CPUUtilization", "Average")

    def _of_tasks(self, namespace: str, name: str, statistic: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=namespace,
            metric_name=name,
            statistic=statistic,
            period=_MINUTE,
            dimensions_map=self._ecs,
        )
