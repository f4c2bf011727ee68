"""The ECS cluster and the Fargate service that keeps the worker's tasks running."""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from constructs import Construct

from infra.stacks.data import Data
from infra.stacks.database import Database
from infra.stacks.network import Network
from infra.stacks.permissions import Roles
from infra.stacks.scaling import scale_with_backlog
from infra.stacks.schedules import Schedules
from infra.stacks.task import task_definition
from infra.stage import Stage


class Service(Construct):
    """The running worker: its tasks, how many they are, and what the clock gives them to do."""

    def __init__(
        self, scope: Stack, stage: Stage, network: Network, data: Data, database: Database
    ) -> None:
        super().__init__(scope, "Service")
        self.cluster = ecs.Cluster(
            scope,
            "Cluster",
            cluster_name=stage.called("cluster"),
            vpc=network.vpc,
            # Scaling divides by the number of running tasks, which only Container Insights counts.
            container_insights_v2=ecs.ContainerInsights.ENABLED,
        )
        self.roles = Roles(scope, stage, data, database, self.cluster)
        self.task = task_definition(scope, stage, data, database, self.roles)
        self.service = ecs.FargateService(
            scope,
            "Workers",
            service_name=stage.called("worker"),
            cluster=self.cluster,
            task_definition=self.task,
            # Without a number the scaling decides, except that a new service gets one task. The
            # first deployment has to start none, see docs/deploy.md.
            desired_count=0 if stage.config.scaling.max_tasks == 0 else None,
            platform_version=ecs.FargatePlatformVersion.VERSION1_4,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            security_groups=[network.worker],
            assign_public_ip=False,
            # New tasks start before old ones stop: the ledger keeps them apart.
            min_healthy_percent=100,
            max_healthy_percent=200,
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            enable_execute_command=False,
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
        )
        scale_with_backlog(scope, stage, self.service, data.queues.jobs)
        self.schedules = Schedules(scope, stage, data.queues)
        # What aws ecs run-task is told, beside the output of the network; see docs/deploy.md.
        for name, value in {
            "ClusterName": self.cluster.cluster_name,
            "TaskFamily": stage.called("worker"),
            "OperatorRole": self.roles.operator.role_arn,
        }.items():
            CfnOutput(scope, name, value=value)
