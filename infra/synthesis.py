"""Puts the stacks of a stage together and has CDK write their templates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import aws_cdk as cdk

from infra.stacks.data import Data
from infra.stacks.database import database_of
from infra.stacks.monitoring import Monitoring
from infra.stacks.network import Network
from infra.stacks.service import Service
from infra.stage import Stage as StageOfService

# Behaviour of CDK that its own new projects have, and that would otherwise stay as it was in 2019.
_FLAGS = {
    # Without it, every deployment would set the number of tasks back to one.
    "@aws-cdk/aws-ecs:removeDefaultDesiredCount": True,
    "@aws-cdk/core:target-partitions": ["aws"],
}


def synthesise(stage: StageOfService, output: Path) -> Iterator[Path]:
    """Write one template for each stack into ``output`` and yield their paths, in deploy order."""
    app = cdk.App(
        analytics_reporting=False, tree_metadata=False, outdir=str(output), context=_context(stage)
    )
    data_stack = _stack(app, stage, "data", "Queues, buckets, key, secret and logs")
    network_stack = _stack(app, stage, "network", "VPC, the worker's security group, database")
    service_stack = _stack(app, stage, "service", "Tasks, their scaling, and schedules")
    monitoring_stack = _stack(app, stage, "monitoring", "Alarms, saved queries, dashboard")
    data = Data(data_stack, stage)
    network = Network(network_stack, stage, data.key)
    database = database_of(network_stack, stage, network, data.key)
    service = Service(service_stack, stage, network, data, database)
    Monitoring(monitoring_stack, stage, data, database, service)
    assembly = app.synth()
    for stack in (data_stack, network_stack, service_stack, monitoring_stack):
        yield Path(assembly.get_stack_artifact(stack.artifact_id).template_full_path)


def _stack(app: cdk.App, stage: StageOfService, name: str, description: str) -> cdk.Stack:
    config = stage.config
    stack = cdk.Stack(
        app,
        stage.called(name),
        description=f"NRF impact assessment worker, {stage.name}: {description}",
        env=cdk.Environment(account=config.account, region=config.region),
        # The templates need no files beside them, so nothing has to be bootstrapped to deploy them.
        synthesizer=cdk.BootstraplessSynthesizer(),
        termination_protection=config.keep_data and name in {"data", "network"},
    )
    for key, value in {**config.tags, "stage": stage.name}.items():
        cdk.Tags.of(stack).add(key, value)
    return stack


def _context(stage: StageOfService) -> dict[str, object]:
    config = stage.config
    if config.account is None:
        return dict(_FLAGS)
    # What CDK would look up in the account.
    zones = f"availability-zones:account={config.account}:region={config.region}"
    return {**_FLAGS, zones: list(config.network.availability_zones)}
