"""What the worker may do in AWS: the calls that it makes, where it makes them."""

from __future__ import annotations

from collections.abc import Iterator

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.stacks.data import Data
from infra.stacks.database import Database
from infra.stage import Stage


class Roles(Construct):
    """``worker`` is the daemon's role; ``operator`` is for commands about messages."""

    def __init__(
        self, scope: Stack, stage: Stage, data: Data, database: Database, cluster: ecs.ICluster
    ) -> None:
        super().__init__(scope, "Roles")
        self.worker = self._role(scope, "Worker", "What the worker itself does")
        for statement in (
            *_polling(data),
            *_reading(self, stage, data),
            *_writing(data),
            *_connecting(database),
            _protecting(scope, cluster),
        ):
            self.worker.add_to_policy(statement)
        self.operator = self._role(scope, "Operator", "worker dlq, jobs retry and schedule send")
        for statement in (*_redriving(data), *_connecting(database)):
            self.operator.add_to_policy(statement)

    def _role(self, scope: Stack, name: str, description: str) -> iam.Role:
        # Only tasks of this account may take it on, not ECS on somebody else's behalf.
        assumed_by = iam.ServicePrincipal(
            "ecs-tasks.amazonaws.com",
            conditions={
                "StringEquals": {"aws:SourceAccount": scope.account},
                "ArnLike": {"aws:SourceArn": scope.format_arn(service="ecs", resource="*")},
            },
        )
        return iam.Role(self, name, assumed_by=assumed_by, description=description)


def _polling(data: Data) -> Iterator[iam.PolicyStatement]:
    yield iam.PolicyStatement(
        sid="TakeMessages",
        actions=[
            "sqs:ReceiveMessage",
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
        ],
        resources=[data.queues.jobs.queue_arn],
    )
    yield iam.PolicyStatement(
        sid="CompareRetention",
        actions=["sqs:GetQueueAttributes"],
        resources=[data.queues.dead_letters.queue_arn],
    )


def _reading(scope: Construct, stage: Stage, data: Data) -> Iterator[iam.PolicyStatement]:
    wanted = stage.config.input_bucket
    uploads = s3.Bucket.from_bucket_name(scope, "Uploads", wanted.name)
    yield iam.PolicyStatement(
        sid="ReadUploads",
        actions=["s3:GetObject"],
        resources=[uploads.arn_for_objects(f"{wanted.prefix}*")],
    )
    # Without it S3 says 403 for a file that is not there, and nobody could tell the two apart.
    yield iam.PolicyStatement(
        sid="TellMissingUploads",
        actions=["s3:ListBucket"],
        resources=[uploads.bucket_arn],
        conditions={"StringLike": {"s3:prefix": [f"{wanted.prefix}*"]}},
    )
    if wanted.kms_key is not None:
        yield iam.PolicyStatement(
            sid="DecryptUploads", actions=["kms:Decrypt"], resources=[wanted.kms_key]
        )
    yield iam.PolicyStatement(
        sid="ReadReferenceData",
        actions=["s3:GetObject"],
        resources=[data.buckets.reference.arn_for_objects("*")],
    )
    yield iam.PolicyStatement(
        sid="TellMissingReferenceData",
        actions=["s3:ListBucket"],
        resources=[data.buckets.reference.bucket_arn],
    )


def _writing(data: Data) -> Iterator[iam.PolicyStatement]:
    if data.buckets.results is not None:
        yield iam.PolicyStatement(
            sid="WriteResults",
            actions=["s3:PutObject", "s3:AbortMultipartUpload"],
            resources=[data.buckets.results.arn_for_objects("*")],
        )
        # Uploads that a killed worker has begun are found and removed by the next one.
        yield iam.PolicyStatement(
            sid="FindUnfinishedResults",
            actions=["s3:ListBucketMultipartUploads"],
            resources=[data.buckets.results.bucket_arn],
        )


def _connecting(database: Database) -> Iterator[iam.PolicyStatement]:
    if database.user_arn is not None:
        yield iam.PolicyStatement(
            sid="ConnectToDatabase", actions=["rds-db:connect"], resources=[database.user_arn]
        )


def _protecting(scope: Stack, cluster: ecs.ICluster) -> iam.PolicyStatement:
    """The ECS agent uses the task's role when the worker asks it for protection from scale-in."""
    tasks = scope.format_arn(
        service="ecs",
        resource="task",
        resource_name=f"{cluster.cluster_name}/*",
        arn_format=ArnFormat.SLASH_RESOURCE_NAME,
    )
    return iam.PolicyStatement(
        sid="ProtectWhileBusy",
        actions=["ecs:UpdateTaskProtection"],
        resources=[tasks],
    )


def _redriving(data: Data) -> Iterator[iam.PolicyStatement]:
    yield iam.PolicyStatement(
        sid="SortDeadLetters",
        actions=[
            "sqs:ReceiveMessage",
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
        ],
        resources=[data.queues.dead_letters.queue_arn],
    )
    yield iam.PolicyStatement(
        sid="SendAgain",
        # The commands look which dead-letter queue is its own.
        actions=["sqs:GetQueueAttributes", "sqs:SendMessage"],
        resources=[data.queues.jobs.queue_arn],
    )
