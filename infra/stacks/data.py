"""What has to outlive a deployment: key, queues, buckets, secret, log group."""

from __future__ import annotations

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.findings import accept
from infra.removal import removal_of
from infra.stacks.buckets import Buckets
from infra.stacks.queues import Queues
from infra.stage import Stage


class Data(Construct):
    """The parts that hold something; the other stacks only point at them."""

    def __init__(self, scope: Stack, stage: Stage) -> None:
        super().__init__(scope, "Data")
        self.key = self._key(scope, stage)
        self.queues = Queues(scope, stage)
        self.buckets = Buckets(scope, stage)
        self.secret = self._secret(stage)
        # Secrets Manager asks this key in the name of whoever reads the secret.
        self.secret_key_arn = (
            self.key.key_arn if stage.config.secret.arn is None else stage.config.secret.kms_key
        )
        self.log_group = logs.LogGroup(
            self,
            "Log",
            log_group_name=f"/{stage.config.project}/{stage.name}/worker",
            retention=logs.RetentionDays.ONE_MONTH,
            encryption_key=self.key,
            removal_policy=removal_of(stage.config),
        )
        resource = self.log_group.node.default_child
        assert isinstance(resource, logs.CfnLogGroup)
        resource.retention_in_days = stage.config.logs.retention_days
        if stage.config.logs.retention_days < 365:
            accept(self.log_group, "CKV_AWS_338", "this stage's logs describe test data only")

    def _key(self, scope: Stack, stage: Stage) -> kms.Key:
        key = kms.Key(
            self,
            "Key",
            alias=f"alias/{stage.called('data')}",
            description="Logs, alarms and secrets of the worker",
            enable_key_rotation=True,
            removal_policy=removal_of(stage.config),
        )
        key.grant_encrypt_decrypt(
            iam.ServicePrincipal(
                f"logs.{scope.region}.amazonaws.com",
                conditions={
                    "ArnLike": {
                        "kms:EncryptionContext:aws:logs:arn": scope.format_arn(
                            service="logs",
                            resource="log-group",
                            resource_name=f"/{stage.config.project}/{stage.name}/*",
                            arn_format=ArnFormat.COLON_RESOURCE_NAME,
                        )
                    }
                },
            )
        )
        # An alarm is sent through the encrypted topic by CloudWatch itself. No condition: one that
        # CloudWatch does not fulfil would silence every alarm.
        key.grant_encrypt_decrypt(iam.ServicePrincipal("cloudwatch.amazonaws.com"))
        return key

    def _secret(self, stage: Stage) -> secretsmanager.ISecret:
        wanted = stage.config.secret
        if wanted.arn is not None:
            return secretsmanager.Secret.from_secret_complete_arn(self, "Secret", wanted.arn)
        return secretsmanager.Secret(
            self,
            "Secret",
            secret_name=stage.called("worker"),
            description=f"{', '.join(wanted.variables)}: filled in by hand, see docs/deploy.md",
            encryption_key=self.key,
            removal_policy=removal_of(stage.config),
        )
