"""Reads a stage's YAML files, lays them over each other and checks the sum."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path

import yaml
from pydantic import JsonValue, TypeAdapter, ValidationError

from infra.config.models import StageConfig

Tree = dict[str, JsonValue]

_OWN = Path(__file__).parent
_TREE = TypeAdapter(Tree)
# What stands in this repository's files for a value that only a deployment knows.
_PLACEHOLDERS = ("example", "00000000-0000-0000-0000-")


class InvalidConfig(Exception):
    """The files of a stage do not make a configuration; one line for each reason."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class _StrictLoader(yaml.SafeLoader):
    """YAML in which a key that comes twice is an error instead of the last one winning."""

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Hashable, object]:
        keys = [key.value for key, _ in node.value]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"key {', '.join(twice)} comes twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def load(stage: str, directories: Iterable[Path] = ()) -> StageConfig:
    """The configuration of ``stage``: base.yaml, then <stage>.yaml, then those of ``directories``.

    Mappings are merged key by key, everything else is replaced, and null takes a key away. A
    directory needs at least one of the two files. Raises InvalidConfig.
    """
    merged: Tree = {}
    for path in _files(stage, tuple(directories)):
        merged = merge(merged, _read(path))
    try:
        return StageConfig.model_validate(merged)
    except ValidationError as error:
        raise InvalidConfig(
            f"{'.'.join(str(part) for part in problem['loc']) or stage}: {problem['msg']}"
            for problem in error.errors()
        ) from error


def merge(under: Tree, over: Mapping[str, JsonValue]) -> Tree:
    """``under`` with every key that ``over`` has, mappings merged at any depth; null removes."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.pop(key, None)
        if isinstance(value, dict):
            merged[key] = merge(below if isinstance(below, dict) else {}, value)
        elif value is not None:
            merged[key] = value
    return merged


def placeholders(config: StageConfig) -> tuple[str, ...]:
    """The keys whose value is this repository's example and has to be replaced to deploy."""
    return tuple(_examples("", config.model_dump(mode="json")))


def _examples(path: str, value: JsonValue) -> Iterable[str]:
    match value:
        case dict():
            for key, inner in value.items():
                yield from _examples(f"{path}.{key}" if path else key, inner)
        case list():
            for inner in value:
                yield from _examples(path, inner)
        case str() if any(mark in value for mark in _PLACEHOLDERS):
            yield path
        case _:
            pass


def _files(stage: str, directories: tuple[Path, ...]) -> Iterable[Path]:
    own = _OWN / f"{stage}.yaml"
    if stage == "base" or not own.is_file():
        known = sorted(path.stem for path in _OWN.glob("*.yaml") if path.stem != "base")
        raise InvalidConfig([f"there is no stage {stage!r}; known are {', '.join(known)}"])
    yield _OWN / "base.yaml"
    yield own
    for directory in directories:
        found = [path for name in ("base", stage) if (path := directory / f"{name}.yaml").is_file()]
        if not found:
            raise InvalidConfig([f"{directory} has neither base.yaml nor {stage}.yaml"])
        yield from found


def _read(path: Path) -> Tree:
    try:
        with path.open(encoding="utf-8") as file:
            content = yaml.load(file, _StrictLoader)  # noqa: S506 - a SafeLoader
        return _TREE.validate_python({} if content is None else content)
    except yaml.YAMLError as error:
        raise InvalidConfig([f"{path}: {' '.join(str(error).split())}"]) from error
    except ValidationError as error:
        raise InvalidConfig([f"{path}: not a mapping of names to values"]) from error
