"""The files around the code agree with it."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from worker.checks import client_problems
from worker.settings import Settings

_REPOSITORY = Path(__file__).parents[2]
_PINNED = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)
_LOCKS = ("requirements.lock", "requirements-dev.lock")
_TEST_FILE = re.compile(r"(?:^|\.)(?:test_\w+|conftest)(?:\.|$)")
_ADVISORY_LOCK = re.compile(r"^_?[A-Z_]*LOCKS? = ([0-9_]+)$", re.MULTILINE)


def wanted(*extras: str) -> list[Requirement]:
    project = tomllib.loads((_REPOSITORY / "pyproject.toml").read_text())["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


def pinned(lock: str) -> dict[str, str]:
    return dict(_PINNED.findall((_REPOSITORY / lock).read_text()))


@pytest.mark.parametrize(("lock", "extras"), [(_LOCKS[0], ()), (_LOCKS[1], ("dev",))])
def test_a_lock_has_a_fitting_version_of_every_dependency(
    lock: str, extras: tuple[str, ...]
) -> None:
    versions = pinned(lock)
    for requirement in wanted(*extras):
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is not in {lock}: run make lock"
        assert requirement.specifier.contains(version, prereleases=True)


def test_tests_run_with_the_versions_of_production() -> None:
    assert pinned(_LOCKS[0]).items() <= pinned(_LOCKS[1]).items()


@pytest.mark.parametrize("lock", _LOCKS)
def test_a_lock_holds_hashes_and_no_addresses(lock: str) -> None:
    text = (_REPOSITORY / lock).read_text()
    assert "://" not in text
    assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=\w)", text))


def test_no_two_advisory_locks_of_the_database_are_the_same() -> None:
    sources = [file.read_text() for file in (_REPOSITORY / "worker").rglob("*.py")]
    numbers = [int(number) for source in sources for number in _ADVISORY_LOCK.findall(source)]
    assert len(numbers) == 5, "migrations, reference data, reaper, quotes, lists have a lock each"
    assert len(set(numbers)) == len(numbers)


def imported(file: Path) -> set[str]:
    """Every name that a module imports; ``a.b`` for ``from a import b``."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module or ''}.{one.name}" for one in node.names}
    return names


def test_what_test_files_share_stands_in_no_test_file_and_no_conftest() -> None:
    for file in (_REPOSITORY / "tests").rglob("*.py"):
        borrowed = sorted(name for name in imported(file) if _TEST_FILE.search(name))
        assert borrowed == [], (
            f"{file.relative_to(_REPOSITORY)}: shared code has its place in tests/fakes"
        )


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables of .env.example that are not commented out, and nothing else, are set."""
    for name, _ in Settings.load().describe():
        monkeypatch.delenv(name, raising=False)
    text = (_REPOSITORY / ".env.example").read_text()
    values = dict(re.findall(r"^([A-Z][A-Z0-9_]+)=(.*)$", text, re.MULTILINE))
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


def test_every_setting_is_in_the_example_environment() -> None:
    text = (_REPOSITORY / ".env.example").read_text()
    described = re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE)
    assert sorted(described) == sorted(name for name, _ in Settings.load().describe())


def test_the_example_environment_is_enough_to_start(example: dict[str, str]) -> None:
    settings = Settings.load()
    assert settings.problems_for_run() == ()
    assert client_problems(settings) == ()


def test_the_example_names_the_defaults(
    example: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = Settings.load().describe()
    text = (_REPOSITORY / ".env.example").read_text()
    for name, value in re.findall(r"^# ([A-Z][A-Z0-9_]+)=(.*)$", text, re.MULTILINE):
        monkeypatch.setenv(name, value)
    assert Settings.load().describe() == defaults
