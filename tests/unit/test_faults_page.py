"""The page of faults is complete, names tests that exist, and each row's proof still applies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault_proof.matrix import PAGE, REPOSITORY, ROWS, Row, functions_of, rows
from tests.fault_proof.patches import Patch, PatchError, PatchFile, Replacement, patches
from tests.fault_proof.proving import chosen

BY_NUMBER = {row.number: row for row in rows()}
PATCHES = patches()


def test_every_fault_has_one_row() -> None:
    assert sorted(row.number for row in rows()) == list(ROWS)


def test_no_line_of_the_page_is_a_row_that_cannot_be_read() -> None:
    written = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    assert len([line for line in written if line[2].isdigit()]) == len(BY_NUMBER)


@pytest.mark.parametrize("row", BY_NUMBER.values(), ids=lambda row: str(row.number))
def test_a_row_names_tests_that_exist(row: Row) -> None:
    assert row.tests
    for test in row.tests:
        assert test.name in functions_of(test.path), f"{test.path} has no {test.name}"


@pytest.mark.parametrize("row", BY_NUMBER.values(), ids=lambda row: str(row.number))
def test_a_row_is_proved_or_has_a_reason_why_not(row: Row) -> None:
    own = [patch for patch in PATCHES if patch.row == row.number]
    assert own
    for patch in own:
        assert bool(patch.content.replace) != bool(patch.content.reason), patch.name
        assert bool(patch.content.replace) == bool(patch.content.takes_out), patch.name


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
def test_a_patch_applies_to_the_code_and_names_tests_of_its_row(patch: Patch) -> None:
    patch.check(REPOSITORY)
    known = BY_NUMBER[patch.row].tests
    assert {test.name for test in chosen(known, patch.content.tests)} >= set(patch.content.tests)


def test_a_patch_that_no_longer_fits_is_told(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("twice = 1\ntwice = 1\nonce = 1\n")

    def patch(old: str, new: str, file: str = "code.py") -> Patch:
        content = PatchFile(replace=(Replacement(file=file, old=old, new=new),))
        return Patch(1, "01-test", content)

    for bad in (
        patch("gone", "x"),
        patch("twice = 1", "x"),
        patch("once = 1", "once ="),
        patch("once = 1", "x", file="other.py"),
    ):
        with pytest.raises(PatchError):
            bad.check(tmp_path)
    former = patch("once = 1", "once = 2").apply(tmp_path)
    assert (tmp_path / "code.py").read_text().endswith("once = 2\n")
    assert former == {tmp_path / "code.py": "twice = 1\ntwice = 1\nonce = 1\n"}
