"""When somebody is told, and which page of the runbook helps."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_rds as rds
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.stacks.data import Data
from infra.stacks.metrics import Metrics
from infra.stage import Stage

_FIVE_MINUTES = Duration.minutes(5)
_FREE_STORAGE_BYTES = 5 * 1024**3
# The worker takes stock between two polls, so while a long job runs there is nothing to see: some
# of the last half-hour's five minutes have to tell, not all of them.
_STOCK_PERIODS = 6
_STOCK_BREACHING = 3


class Alarms(Construct):
    """Alarms on a topic; each says in its description where the runbook goes on."""

    def __init__(self, scope: Stack, stage: Stage, data: Data, metrics: Metrics) -> None:
        super().__init__(scope, "Alarms")
        self._stage = stage
        self._metrics = metrics
        self.all: list[cloudwatch.Alarm] = []
        self.topic = self._topic(stage, data.key)
        self._messages(data)
        self._deliveries()
        self._tasks(data.log_group)

    def _topic(self, stage: Stage, key: kms.IKey) -> sns.Topic:
        topic = sns.Topic(
            self,
            "Topic",
            topic_name=stage.called("alarms"),
            display_name=f"NRF worker, {stage.name}",
            master_key=key,
            enforce_ssl=True,
        )
        # A policy of its own, for TLS, takes the place of the default one that lets CloudWatch in.
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsMayPublish",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )
        for email in stage.config.alarms.emails:
            topic.add_subscription(subscriptions.EmailSubscription(email))
        return topic

    def _messages(self, data: Data) -> None:
        metrics = self._metrics
        self._alarm(
            "dead-letters",
            metrics.waiting(data.queues.dead_letters),
            1,
            "A message is in the dead-letter queue: runbook, A message is in the dead-letter queue",
        )
        self._alarm(
            "unsent-schedules",
            metrics.waiting(data.queues.unsent_schedules),
            1,
            "A scheduled job was not put on the queue: runbook, A scheduled job did not start",
        )
        self._alarm(
            "stranded-messages",
            metrics.worker("MessagesStranded", "Sum"),
            1,
            "A message of an unfinished job went to the dead-letter queue: worker dlq redrive"
            " --stranded",
        )
        self._alarm(
            "stranded-jobs",
            metrics.worker("JobsStranded", "Maximum", period=_FIVE_MINUTES),
            1,
            "Open jobs that nobody works on: worker dlq redrive --stranded, and worker jobs retry"
            " for those that have no message any more",
            periods=_STOCK_PERIODS,
            breaching=_STOCK_BREACHING,
        )
        self._alarm(
            "oldest-message",
            metrics.oldest(data.queues.jobs),
            self._stage.config.alarms.oldest_message_seconds,
            "Messages wait too long: runbook, Capacity",
            periods=5,
        )

    def _deliveries(self) -> None:
        metrics = self._metrics
        thresholds = self._stage.config.alarms
        self._alarm(
            "deliveries-pending",
            metrics.worker("DeliveriesPendingAge", "Maximum", period=_FIVE_MINUTES),
            thresholds.deliveries_pending_seconds,
            "A result has not reached the backend or its requester: saved query deliveries-pending",
            periods=_STOCK_PERIODS,
            breaching=_STOCK_BREACHING,
        )
        self._alarm(
            "backend-failures",
            metrics.worker(
                "DeliveryFailures",
                "Sum",
                period=_FIVE_MINUTES,
                ErrorCode="backend_unavailable",
            ),
            thresholds.backend_failures,
            "The backend answers 5xx or not at all; deliveries are tried again by themselves",
            # One failure is several requests in a row already; a restart of the backend is none.
            periods=6,
            breaching=3,
        )
        self._alarm(
            "configuration-fault",
            metrics.worker("ConfigurationFault", "Maximum"),
            1,
            "A key or policy of ours is refused and polling is paused: the log's polling.paused"
            " says which",
        )

    def _tasks(self, log_group: logs.ILogGroup) -> None:
        metrics = self._metrics
        self._alarm(
            "start-refused",
            self._counted(log_group, "start-refused", "worker.not_started", "worker.crashed"),
            1,
            "A task ended by itself, by its configuration, a missing dependency or an error that"
            " nobody foresaw: the log's worker.not_started or worker.crashed says why",
        )
        self._alarm(
            "no-running-task",
            metrics.running_tasks(),
            1,
            "No worker runs: see the service's events and the stopped tasks' exit codes",
            below=True,
            periods=3,
            missing=cloudwatch.TreatMissingData.BREACHING,
        )
        self._alarm(
            "health-failures",
            metrics.worker("HealthFailures", "Sum"),
            1,
            "A worker makes no progress and says so; ECS replaces it after three such answers",
        )
        self._alarm(
            "memory",
            metrics.memory(),
            self._stage.config.alarms.memory_percent,
            "A task's memory is almost used up: runbook, Capacity",
            periods=3,
        )

    def watch_database(self, instance: rds.DatabaseInstance) -> None:
        """Alarm before the disk of the stage's own database is full."""
        self._alarm(
            "database-storage",
            instance.metric_free_storage_space(period=_FIVE_MINUTES, statistic="Minimum"),
            _FREE_STORAGE_BYTES,
            "The database's disk is almost full although it grows by itself: raise"
            " database.create.max_storage_gib",
            below=True,
        )

    def _counted(self, log_group: logs.ILogGroup, name: str, *events: str) -> cloudwatch.Metric:
        """How often one of the events is in the log."""
        count = logs.MetricFilter(
            self,
            f"count-{name}",
            log_group=log_group,
            filter_pattern=logs.FilterPattern.any(
                *(logs.FilterPattern.string_value("$.message", "=", event) for event in events)
            ),
            metric_namespace=self._stage.metrics_service,
            metric_name=name,
            metric_value="1",
            default_value=0,
        )
        return count.metric(statistic="Sum", period=Duration.minutes(1))

    def _alarm(
        self,
        name: str,
        metric: cloudwatch.Metric,
        threshold: float,
        description: str,
        *,
        below: bool = False,
        periods: int = 1,
        breaching: int | None = None,
        missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING,
    ) -> None:
        operator = (
            cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
            if below
            else cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
        )
        alarm = cloudwatch.Alarm(
            self,
            name,
            alarm_name=self._stage.called(name),
            alarm_description=description,
            metric=metric,
            threshold=threshold,
            comparison_operator=operator,
            evaluation_periods=periods,
            datapoints_to_alarm=breaching or periods,
            treat_missing_data=missing,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        alarm.add_ok_action(actions.SnsAction(self.topic))
        self.all.append(alarm)
