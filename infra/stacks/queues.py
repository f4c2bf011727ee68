"""The queue, its dead-letter queue, and the one for schedules that could not send."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.findings import accept
from infra.removal import removal_of
from infra.stage import Stage

_MAX_RETENTION_DAYS = 14
_OWN_KEY = (
    "SQS encrypts it with a key of its own (SqsManagedSseEnabled); a key of ours would need a"
    " permission for every producer, and its loss would stop the queue"
)


class Queues(Construct):
    """All queues encrypted by SQS, reached over TLS only."""

    def __init__(self, scope: Stack, stage: Stage) -> None:
        super().__init__(scope, "Queues")
        wanted = stage.config.queue
        name = stage.called("jobs")
        self.dead_letters = self._queue(
            "DeadLetters",
            stage,
            "jobs-dlq",
            wanted.dead_letter_retention_days,
            # By name: the queue refers to this one already, and a circle cannot be deployed.
            redrive_allow_policy=sqs.RedriveAllowPolicy(
                redrive_permission=sqs.RedrivePermission.BY_QUEUE,
                source_queues=[
                    sqs.Queue.from_queue_arn(
                        self, "Source", scope.format_arn(service="sqs", resource=name)
                    )
                ],
            ),
        )
        self.jobs = sqs.Queue(
            self,
            "Jobs",
            queue_name=name,
            visibility_timeout=Duration.seconds(wanted.visibility_timeout_seconds),
            receive_message_wait_time=Duration.seconds(wanted.wait_time_seconds),
            retention_period=Duration.days(wanted.retention_days),
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.dead_letters, max_receive_count=wanted.max_receive_count
            ),
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            removal_policy=removal_of(stage.config),
        )
        self.unsent_schedules = self._queue(
            "UnsentSchedules", stage, "schedules-dlq", _MAX_RETENTION_DAYS
        )
        for queue in (self.jobs, self.dead_letters, self.unsent_schedules):
            accept(queue, "CKV_AWS_27", _OWN_KEY)
        for number, arn in enumerate(wanted.quote_topics):
            topic = sns.Topic.from_topic_arn(self, f"Quotes{number}", arn)
            topic.add_subscription(subscriptions.SqsSubscription(self.jobs))

    def _queue(
        self,
        construct_id: str,
        stage: Stage,
        name: str,
        retention_days: int,
        redrive_allow_policy: sqs.RedriveAllowPolicy | None = None,
    ) -> sqs.Queue:
        return sqs.Queue(
            self,
            construct_id,
            queue_name=stage.called(name),
            retention_period=Duration.days(retention_days),
            redrive_allow_policy=redrive_allow_policy,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            removal_policy=removal_of(stage.config),
        )
