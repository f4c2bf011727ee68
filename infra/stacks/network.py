"""The network: a VPC of our own or an existing one, and the worker's security group."""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.config.models import ExistingNetwork, NewNetwork
from infra.findings import accept
from infra.removal import removal_of
from infra.stage import Stage


class Network(Construct):
    """``vpc`` has private subnets with a way out; ``worker`` lets nothing in."""

    def __init__(self, scope: Stack, stage: Stage, key: kms.IKey) -> None:
        super().__init__(scope, "Network")
        wanted = stage.config.network
        self.vpc: ec2.IVpc
        if wanted.create is not None:
            self.vpc = self._created(stage, wanted.create, key)
        else:
            assert wanted.existing is not None
            self.vpc = self._imported(wanted.existing, wanted.availability_zones)
        self.worker = ec2.SecurityGroup(
            self,
            "Worker",
            vpc=self.vpc,
            description="The worker: asks others, is asked by nobody",
            allow_all_outbound=False,
        )
        for port in wanted.egress_ports:
            self.worker.add_egress_rule(
                ec2.Peer.any_ipv4(),
                ec2.Port.tcp(port),
                "AWS, the backend and GOV.UK Notify",
            )
        private = self.vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
        place = {
            "subnets": private.subnet_ids,
            "securityGroups": [self.worker.security_group_id],
            "assignPublicIp": "DISABLED",
        }
        # Where aws ecs run-task puts a task.
        CfnOutput(scope, "TaskNetwork", value=scope.to_json_string({"awsvpcConfiguration": place}))

    def _imported(self, existing: ExistingNetwork, zones: tuple[str, ...]) -> ec2.IVpc:
        return ec2.Vpc.from_vpc_attributes(
            self,
            "Vpc",
            vpc_id=existing.vpc_id,
            availability_zones=list(zones),
            private_subnet_ids=list(existing.private_subnet_ids),
        )

    def _created(self, stage: Stage, wanted: NewNetwork, key: kms.IKey) -> ec2.Vpc:
        vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(wanted.cidr),
            availability_zones=list(stage.config.network.availability_zones),
            nat_gateways=wanted.nat_gateways,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="public",
                    subnet_type=ec2.SubnetType.PUBLIC,
                    cidr_mask=24,
                    map_public_ip_on_launch=False,
                ),
                ec2.SubnetConfiguration(
                    name="private",
                    subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS,
                    cidr_mask=20,
                ),
            ],
            # Uploads and reference data need not pay for the NAT gateway.
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)
            },
        )
        flows = logs.LogGroup(
            self,
            "Flows",
            log_group_name=f"/{stage.config.project}/{stage.name}/vpc-flows",
            retention=logs.RetentionDays.ONE_MONTH,
            encryption_key=key,
            removal_policy=removal_of(stage.config),
        )
        vpc.add_flow_log(
            "FlowLog",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(flows),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
        )
        accept(flows, "CKV_AWS_338", "refused connections are looked at within days, not a year")
        return vpc
