"""What counts as a proof that a test notices, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault_proof.matrix import LinkedTest, rows
from tests.fault_proof.patches import Patch, PatchFile, Replacement
from tests.fault_proof.proving import Bench, Outcome, prove, run_tests

GUARDED = (
    "def halve(number):\n    if number % 2:\n        raise ValueError\n    return number // 2\n"
)
TEST = """
import pytest
from guarded import halve

def test_an_odd_number_is_refused():
    with pytest.raises(ValueError):
        halve(3)

def test_nothing():
    halve(4)
"""


def linked(name: str) -> LinkedTest:
    return LinkedTest("test_guarded.py", name)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "guarded.py").write_text(GUARDED)
    (tmp_path / "test_guarded.py").write_text(TEST)
    return tmp_path


@pytest.mark.parametrize(
    ("new", "test", "outcome"),
    [
        ("    if number < 0:\n", "test_an_odd_number_is_refused", Outcome.FAILED),
        ("    if number < 0:\n", "test_nothing", Outcome.PASSED),
        ("    if nonsense:\n", "test_nothing", Outcome.BROKEN),
        ("    if number % 2\n", "test_nothing", Outcome.BROKEN),
    ],
    ids=["noticed", "not noticed", "broken when it runs", "broken as text"],
)
def test_only_a_tests_own_verdict_is_a_proof(
    root: Path, new: str, test: str, outcome: Outcome
) -> None:
    replacement = Replacement(file="guarded.py", old="    if number % 2:\n", new=new)
    patch = Patch(1, "01-guard", PatchFile(takes_out="the guard", replace=(replacement,)))
    assert prove(patch, [linked(test)], Bench(root)).outcome is outcome
    assert (root / "guarded.py").read_text() == GUARDED


def test_without_a_patch_the_tests_pass_and_a_missing_one_does_not(root: Path) -> None:
    assert run_tests([linked("test_nothing")], Bench(root)).outcome is Outcome.PASSED
    assert run_tests([linked("test_gone")], Bench(root)).outcome is Outcome.BROKEN


def test_rows_are_read_from_a_page_with_their_tests() -> None:
    page = (
        "| # | Fault | What we promise | Tests |\n| --- | --- | --- | --- |\n"
        "| 7 | It breaks | It holds | [test_one](../tests/unit/test_a.py),"
        " [`test_two[x]`](../tests/unit/test_b.py) |\n"
    )
    (row,) = rows(page)
    assert (row.number, row.fault, row.promise) == (7, "It breaks", "It holds")
    assert [test.node_id for test in row.tests] == [
        "tests/unit/test_a.py::test_one",
        "tests/unit/test_b.py::test_two",
    ]
