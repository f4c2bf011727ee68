"""Findings of checkov that are accepted, each with its reason beside the resource."""

from __future__ import annotations

from aws_cdk import CfnResource
from constructs import IConstruct


def accept(construct: IConstruct, check: str, reason: str) -> None:
    """Record in the template why ``construct`` may fail ``check`` (such as CKV_AWS_18)."""
    resource = construct if isinstance(construct, CfnResource) else _resource_of(construct)
    metadata = resource.get_metadata("checkov") or {"skip": []}
    metadata["skip"].append({"id": check, "comment": reason})
    resource.add_metadata("checkov", metadata)


def _resource_of(construct: IConstruct) -> CfnResource:
    child = construct.node.default_child
    assert isinstance(child, CfnResource), f"{construct.node.path} is no single resource"
    return child
