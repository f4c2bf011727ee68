"""cfn-lint and checkov find nothing, and whatever they are told to overlook has a reason."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.fakes.templates import CHECKOV, PATIENCE_S, PYTHON, REPOSITORY, Templates

RULES = REPOSITORY / "infra" / "cfn-lint.yaml"


@pytest.fixture(scope="module")
def files(dev: Templates, prod: Templates, private: Templates) -> list[Path]:
    return [file for stage in (dev, prod, private) for file in stage.files.values()]


def test_cfn_lint_finds_nothing(files: list[Path]) -> None:
    done = subprocess.run(
        [PYTHON.with_name("cfn-lint"), "--config-file", RULES, *files],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_every_rule_that_cfn_lint_overlooks_has_a_reason() -> None:
    lines = RULES.read_text(encoding="utf-8").splitlines()
    rules = [number for number, line in enumerate(lines) if re.match(r"\s+- ", line)]

    assert rules
    for number in rules:
        assert lines[number - 1].lstrip().startswith("# "), lines[number]


def test_checkov_finds_nothing_and_every_skip_says_why(files: list[Path], tmp_path: Path) -> None:
    # Without downloads: what it would fetch are texts about its own checks.
    asked = [str(CHECKOV), "-m", "checkov.main", "--framework", "cloudformation", "--skip-download"]
    named = [part for file in files for part in ("--file", str(file))]
    done = subprocess.run(
        [*asked, "--output", "json", *named],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    report = json.loads(done.stdout)
    results = report["results"]

    failed = [(one["check_id"], one["resource"]) for one in results["failed_checks"]]
    assert failed == []
    assert report["summary"]["passed"] > 300
    assert report["summary"]["parsing_errors"] == 0
    assert results["skipped_checks"]
    for skipped in results["skipped_checks"]:
        assert len(skipped["check_result"]["suppress_comment"]) > 20, skipped["check_id"]
    assert done.returncode == 0
