"""The worker's task in the templates of a stage: what it is told, and what its roles may do."""

from __future__ import annotations

from pydantic import JsonValue

from tests.fakes.templates import Resource, Templates, at

CONTAINER = "ContainerDefinitions", 0


def task(stage: Templates) -> Resource:
    return stage.only("ECS::TaskDefinition")


def variables(stage: Templates) -> dict[str, str]:
    """The container's plain environment."""
    return {
        str(at(pair, "Name")): str(at(pair, "Value"))
        for pair in task(stage).items(*CONTAINER, "Environment")
    }


def secrets(stage: Templates) -> dict[str, str]:
    """Where the container's secret variables come from."""
    return {
        str(at(pair, "Name")): str(at(pair, "ValueFrom"))
        for pair in task(stage).items(*CONTAINER, "Secrets")
    }


def policy(stage: Templates, role: str) -> dict[str, dict[str, JsonValue]]:
    """The statements of a role's policy by their Sid."""
    (owner,) = [one for one in stage.every("IAM::Role") if one.name.startswith(role)]
    found = stage.only("IAM::Policy", Roles=[owner.ref]).items("PolicyDocument", "Statement")
    # CDK's own grants have none.
    return {str(one["Sid"]): one for one in found if isinstance(one, dict) and "Sid" in one}
