"""The CloudFormation templates of a stage as the CDK app writes them, and a way to read them."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import JsonValue, TypeAdapter

REPOSITORY = Path(__file__).parents[2]
PYTHON = REPOSITORY / ".venv-infra" / "bin" / "python"
CHECKOV = REPOSITORY / ".venv-checkov" / "bin" / "python"
# The private configuration of the stage `private`.
OVERLAY = REPOSITORY / "tests" / "infra" / "private"
# Not how long CDK takes (5 to 20 s), but when to give up on a loaded machine.
PATIENCE_S = 500
ACCOUNT, REGION = "111122223333", "eu-west-2"

_TEMPLATE = TypeAdapter(dict[str, JsonValue])
_PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com",
}


@dataclass(frozen=True)
class Resource:
    """One resource; what it says of others is text: ``${data/Queue.Arn}``, ``${data/Queue}``."""

    stack: str
    name: str
    type: str
    properties: JsonValue
    attributes: JsonValue

    @property
    def ref(self) -> str:
        return f"${{{self.stack}/{self.name}}}"

    @property
    def arn(self) -> str:
        return self.attribute("Arn")

    def attribute(self, name: str) -> str:
        return f"${{{self.stack}/{self.name}.{name}}}"

    def __getitem__(self, path: str | tuple[str | int, ...]) -> JsonValue:
        """The value at a path of keys and positions in the properties."""
        return at(self.properties, *((path,) if isinstance(path, str) else path))

    def items(self, *path: str | int) -> list[JsonValue]:
        value = at(self.properties, *path)
        assert isinstance(value, list)
        return value

    def has(self, key: str) -> bool:
        assert isinstance(self.properties, dict)
        return key in self.properties

    def text(self, *path: str | int) -> str:
        value = at(self.properties, *path)
        assert isinstance(value, str)
        return value


@dataclass(frozen=True)
class Templates:
    """All stacks of a stage, by name: data, network, service, monitoring."""

    files: Mapping[str, Path]
    resources: tuple[Resource, ...]
    outputs: Mapping[str, Mapping[str, str]]

    def every(self, kind: str) -> list[Resource]:
        """Resources of a type, such as SQS::Queue."""
        return [one for one in self.resources if one.type == f"AWS::{kind}"]

    def only(self, kind: str, **properties: JsonValue) -> Resource:
        """The one resource of a type whose properties have these values."""
        found = [
            one
            for one in self.every(kind)
            if all(one.has(name) and one[name] == value for name, value in properties.items())
        ]
        assert len(found) == 1, f"{len(found)} resources {kind} with {properties}"
        return found[0]


def at(value: JsonValue, *path: str | int) -> JsonValue:
    for step in path:
        if isinstance(step, int):
            assert isinstance(value, list), f"{step} of {value}"
            value = value[step]
        else:
            assert isinstance(value, dict), f"{step} of {value}"
            value = value[step]
    return value


def run_app(*arguments: str) -> subprocess.CompletedProcess[str]:
    """``python -m infra.app`` as ``make synth`` runs it."""
    if not PYTHON.is_file():
        pytest.fail("there is no .venv-infra: run make environments")
    return subprocess.run(
        [PYTHON, "-m", "infra.app", *arguments],
        cwd=REPOSITORY,
        # No account, no credentials and no Node of the machine's own.
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def templates_of(
    stage: str, factory: pytest.TempPathFactory, overlay: Path | None = None
) -> Templates:
    """The templates of a stage; written once for all processes of a test run."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    name = f"cdk-{stage}" + (f"-{overlay.name}" if overlay else "")
    output = root / name
    # One at a time: the first run of all compiles CDK's modules for the others.
    with (root / "cdk.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (output / "done").is_file():
            configuration = ("--config-dir", str(overlay)) if overlay else ()
            done = run_app("--stage", stage, "--output", str(output), *configuration)
            assert done.returncode == 0, done.stderr
            (output / "done").touch()
    return read(sorted(output.glob("*.template.json")))


def read(files: Sequence[Path]) -> Templates:
    raw = {
        file.name.removesuffix(".template.json").rsplit("-", 1)[-1]: _TEMPLATE.validate_python(
            json.loads(file.read_text(encoding="utf-8"))
        )
        for file in files
    }
    by_stack = dict(zip(raw, files, strict=True))
    exports = {
        at(output, "Export", "Name"): _resolved(at(output, "Value"), stack, {})
        for stack, template in raw.items()
        for _, output in _entries(template.get("Outputs", {}))
        if isinstance(output, dict) and "Export" in output
    }
    outputs = {
        stack: {
            name: str(_resolved(at(output, "Value"), stack, exports))
            for name, output in _entries(template.get("Outputs", {}))
        }
        for stack, template in raw.items()
    }
    return Templates(by_stack, tuple(_resources(raw, exports)), outputs)


def _resources(
    raw: Mapping[str, Mapping[str, JsonValue]], exports: Mapping[JsonValue, JsonValue]
) -> Iterator[Resource]:
    for stack, template in raw.items():
        resources = template["Resources"]
        assert isinstance(resources, dict)
        for name, content in resources.items():
            kind = at(content, "Type")
            assert isinstance(kind, str)
            assert isinstance(content, dict)
            properties = _resolved(content.get("Properties", {}), stack, exports)
            others: dict[str, JsonValue] = {
                key: _resolved(value, stack, exports)
                for key, value in content.items()
                if key not in ("Type", "Properties")
            }
            yield Resource(stack, name, kind, properties, others)


def _resolved(value: JsonValue, stack: str, exports: Mapping[JsonValue, JsonValue]) -> JsonValue:
    match value:
        case {"Ref": str(name)}:
            return _PSEUDO.get(name, f"${{{stack}/{name}}}")
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"${{{stack}/{name}.{attribute}}}"
        case {"Fn::ImportValue": name}:
            return exports[name]
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(str(_resolved(part, stack, exports)) for part in parts)
        case dict():
            return {key: _resolved(inner, stack, exports) for key, inner in value.items()}
        case list():
            return [_resolved(inner, stack, exports) for inner in value]
        case _:
            return value


def _entries(mapping: JsonValue) -> list[tuple[str, JsonValue]]:
    assert isinstance(mapping, dict)
    return list(mapping.items())
