"""PostgreSQL with PostGIS: an RDS instance of the stage's own, or one that is already there."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import ArnFormat, Duration, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds

from infra.config.models import ExistingDatabase, NewDatabase
from infra.findings import accept
from infra.stacks.network import Network
from infra.stage import Stage

# PostGIS 3 comes with it as an extension.
_ENGINE = rds.PostgresEngineVersion.VER_17
_MASTER = "postgres"


@dataclass(frozen=True)
class Database:
    """How the worker reaches PostGIS; ``secret_arn`` or ``user_arn`` is set, by authentication."""

    host: str
    secret_arn: str | None
    user_arn: str | None
    instance: rds.DatabaseInstance | None


def database_of(scope: Stack, stage: Stage, network: Network, key: kms.IKey) -> Database:
    """The stage's database, with a way from the worker's security group to it."""
    wanted = stage.config.database
    if wanted.create is not None:
        return _created(scope, stage, wanted.create, network, key)
    assert wanted.existing is not None
    return _existing(scope, stage, wanted.existing, network)


def _created(
    scope: Stack, stage: Stage, wanted: NewDatabase, network: Network, key: kms.IKey
) -> Database:
    settings = stage.config.database
    instance = rds.DatabaseInstance(
        scope,
        "Database",
        engine=rds.DatabaseInstanceEngine.postgres(version=_ENGINE),
        instance_type=ec2.InstanceType(wanted.instance_type),
        vpc=network.vpc,
        vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
        database_name=settings.name,
        port=settings.port,
        # The worker's own user is made once with these, see docs/deploy.md.
        credentials=rds.Credentials.from_generated_secret(_MASTER, encryption_key=key),
        iam_authentication=True,
        parameters={"rds.force_ssl": "1"},
        allocated_storage=wanted.storage_gib,
        max_allocated_storage=wanted.max_storage_gib,
        storage_type=rds.StorageType.GP3,
        storage_encrypted=True,
        multi_az=wanted.multi_az,
        publicly_accessible=False,
        backup_retention=Duration.days(wanted.backup_retention_days),
        copy_tags_to_snapshot=True,
        auto_minor_version_upgrade=True,
        cloudwatch_logs_exports=["postgresql", "upgrade"],
        enable_performance_insights=True,
        performance_insight_encryption_key=key,
        monitoring_interval=Duration.minutes(1),
        deletion_protection=stage.config.keep_data,
        removal_policy=RemovalPolicy.SNAPSHOT,
    )
    if not wanted.multi_az:
        accept(instance, "CKV_AWS_157", "this stage may be away for as long as a restore takes")
    instance.connections.allow_default_port_from(network.worker, "The worker")
    # The worker signs in with tokens: the secret that RDS has made is its master user's.
    assert instance.instance_resource_id is not None
    user_arn = _user_arn(scope, stage, instance.instance_resource_id)
    return Database(instance.db_instance_endpoint_address, None, user_arn, instance)


def _existing(scope: Stack, stage: Stage, existing: ExistingDatabase, network: Network) -> Database:
    group = ec2.SecurityGroup.from_security_group_id(
        scope, "DatabaseGroup", existing.security_group_id
    )
    port = ec2.Port.tcp(stage.config.database.port)
    group.add_ingress_rule(network.worker, port, "The worker")
    network.worker.add_egress_rule(group, port, "PostGIS")
    if stage.config.database.authentication == "password":
        return Database(existing.host, existing.secret_arn, None, None)
    assert existing.resource_id is not None
    return Database(existing.host, None, _user_arn(scope, stage, existing.resource_id), None)


def _user_arn(scope: Stack, stage: Stage, resource_id: str) -> str:
    """The ARN that stands for one database user in IAM."""
    return scope.format_arn(
        service="rds-db",
        resource="dbuser",
        resource_name=f"{resource_id}/{stage.config.database.user}",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
