"""What happens to data when its resource leaves a template."""

from __future__ import annotations

from aws_cdk import RemovalPolicy

from infra.config.models import StageConfig


def removal_of(config: StageConfig) -> RemovalPolicy:
    """Data is kept where the stage says so, and goes with its stack elsewhere."""
    return RemovalPolicy.RETAIN if config.keep_data else RemovalPolicy.DESTROY
