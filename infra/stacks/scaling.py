"""How many tasks: as many as it takes for each to have its share of the waiting messages."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_applicationautoscaling as autoscaling
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_sqs as sqs

from infra.stage import Stage

_Policy = autoscaling.CfnScalingPolicy
# With no task running, or none counted, the whole backlog is one task's.
_BACKLOG_PER_TASK = "waiting / IF(FILL(tasks, 0) > 0, FILL(tasks, 0), 1)"


def scale_with_backlog(
    scope: Stack, stage: Stage, service: ecs.FargateService, queue: sqs.IQueue
) -> None:
    """Track messages waiting for each running task.

    The length of the queue alone says nothing: a hundred messages are much for one task and
    little for twenty. CDK's own construct takes no metric math, hence the plain resource.
    """
    wanted = stage.config.scaling
    target = service.auto_scale_task_count(
        min_capacity=wanted.min_tasks, max_capacity=wanted.max_tasks
    )
    scalable = target.node.find_child("Target")
    assert isinstance(scalable, autoscaling.ScalableTarget)
    _Policy(
        scope,
        "BacklogPerTask",
        policy_name=stage.called("backlog-per-task"),
        policy_type="TargetTrackingScaling",
        scaling_target_id=scalable.scalable_target_id,
        target_tracking_scaling_policy_configuration=(
            _Policy.TargetTrackingScalingPolicyConfigurationProperty(
                target_value=wanted.backlog_per_task,
                scale_out_cooldown=wanted.scale_out_cooldown_seconds,
                scale_in_cooldown=wanted.scale_in_cooldown_seconds,
                customized_metric_specification=_Policy.CustomizedMetricSpecificationProperty(
                    metrics=[
                        _metric(
                            "waiting",
                            "AWS/SQS",
                            "ApproximateNumberOfMessagesVisible",
                            {"QueueName": queue.queue_name},
                            "Maximum",
                        ),
                        _metric(
                            "tasks",
                            "ECS/ContainerInsights",
                            "RunningTaskCount",
                            {
                                "ClusterName": service.cluster.cluster_name,
                                "ServiceName": service.service_name,
                            },
                            "Average",
                        ),
                        _Policy.TargetTrackingMetricDataQueryProperty(
                            id="backlog",
                            label="Messages waiting for each running task",
                            expression=_BACKLOG_PER_TASK,
                            return_data=True,
                        ),
                    ]
                ),
            )
        ),
    )


def _metric(
    metric_id: str, namespace: str, name: str, dimensions: dict[str, str], statistic: str
) -> autoscaling.CfnScalingPolicy.TargetTrackingMetricDataQueryProperty:
    return _Policy.TargetTrackingMetricDataQueryProperty(
        id=metric_id,
        return_data=False,
        metric_stat=_Policy.TargetTrackingMetricStatProperty(
            stat=statistic,
            metric=_Policy.TargetTrackingMetricProperty(
                namespace=namespace,
                metric_name=name,
                dimensions=[
                    _Policy.TargetTrackingMetricDimensionProperty(name=key, value=value)
                    for key, value in dimensions.items()
                ],
            ),
        ),
    )
