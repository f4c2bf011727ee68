"""Runs tests in a copy of the repository, with a protection taken out or with nothing changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fault_proof.matrix import REPOSITORY, LinkedTest
from tests.fault_proof.patches import Patch, PatchError
from worker.demo.postgis import EmbeddedPostgis

# How a test says that it has noticed. Anything else may be code that the patch broke, which fails
# whatever it is used for and says nothing of the test.
_PROOF = (
    "AssertionError",
    "assert ",
    "Failed: ",
    "KeyError",
    "ValueError: not enough values to unpack",
    "ValueError: too many values to unpack",
    "subprocess.TimeoutExpired",
    "worker.errors.",
)
# A busy machine is no proof either.
_NO_PROOF = "Failed: Timeout"
LOGS = REPOSITORY / "build" / "fault-proof"
# Too little patience is taken for a fault that was noticed.
_PATIENT = {"TEST_PATIENCE_SECONDS": "100"}
_LIMIT_S = 3600
_TEST_LIMIT_S = 600


class Outcome(StrEnum):
    """What running tests has shown."""

    PASSED = "passed"
    FAILED = "failed"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Run:
    """``noticed``: tests that failed, each with how; ``output``: what pytest said."""

    outcome: Outcome
    noticed: tuple[tuple[str, str], ...]
    output: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Bench:
    """Where tests run: a repository, or a copy of it, and a PostGIS that they may use.

    Without ``database_url`` each run of pytest makes a PostGIS for itself.
    """

    root: Path
    database_url: str | None = None


@contextmanager
def bench() -> Iterator[Bench]:
    """A copy of the repository and a database of its own; both go away."""
    with _scratch_copy() as root, EmbeddedPostgis() as server:
        yield Bench(root, server.url("postgres"))


@contextmanager
def _scratch_copy() -> Iterator[Path]:
    """The repository as it stands, without what is ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    ).stdout.decode()
    with TemporaryDirectory(prefix="fault-proof-") as folder:
        root = Path(folder)
        for name in filter(None, listed.split("\0")):
            source = REPOSITORY / name
            if source.is_file():
                target = root / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        _refuse_other_packages(Bench(root))
        yield root


def _refuse_other_packages(bench: Bench) -> None:
    """Make sure that tests and the processes they start use the copy's code."""
    found = subprocess.run(
        [sys.executable, "-c", "import worker; print(worker.__path__[0])"],
        cwd="/",
        env=_environment(bench),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    if Path(found) != bench.root / "worker":
        raise RuntimeError(f"the copy's tests would use {found}")


def prove(patch: Patch, tests: Iterable[LinkedTest], bench: Bench) -> Run:
    """Run the tests with the patch applied; the copy is as it was afterwards."""
    try:
        former = patch.apply(bench.root)
    except PatchError as error:
        return Run(Outcome.BROKEN, (), str(error), 0.0)
    try:
        # One test that notices is enough.
        return run_tests(tests, bench, "--exitfirst")
    finally:
        for path, text in former.items():
            path.write_text(text, encoding="utf-8")


def passes_unpatched(run: Run, tests: Iterable[LinkedTest], bench: Bench) -> bool:
    """Whether the tests that have noticed the patch pass without it, on the same busy machine."""
    named = {test.name: test for test in tests}
    same = [LinkedTest(named[name.partition("[")[0]].path, name) for name, _ in run.noticed]
    return run_tests(same, bench).outcome is Outcome.PASSED


def run_tests(tests: Iterable[LinkedTest], bench: Bench, *options: str, processes: int = 0) -> Run:
    """Run these tests, in ``processes`` parallel processes or in pytest's own."""
    started = time.monotonic()
    with TemporaryDirectory(prefix="fault-proof-") as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider"]
        command += [f"--junitxml={report}", f"-n{processes}", "--dist=loadfile", *options]
        # A test that waits in vain says so itself; ended by pytest, it would say nothing.
        command += [f"--timeout={_TEST_LIMIT_S}"]
        command += sorted({test.node_id for test in tests})
        process = subprocess.run(
            command,
            cwd=bench.root,
            env=_environment(bench),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
        seconds = time.monotonic() - started
        return _read(report, process.stdout, seconds, process.returncode)


def keep(name: str, run: Run) -> None:
    """Write what pytest said to a file, for whoever wonders how a test has noticed."""
    LOGS.mkdir(parents=True, exist_ok=True)
    (LOGS / f"{name}.log").write_text(run.output, encoding="utf-8")


def _environment(bench: Bench) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    folders = {"PYTHONPATH": str(bench.root), "PYTHONDONTWRITEBYTECODE": "1"}
    # The acceptance data lies beside the repository, and not beside the copy.
    beside = REPOSITORY.parent / "shared" / "acceptance"
    # A kill at each seam is enough to see what a patch does.
    database = {"TEST_DATABASE_URL": bench.database_url} if bench.database_url else {}
    seldom = {"ACCEPTANCE_DATA": str(beside), "SEAM_KILLS": "1", **_PATIENT}
    return seldom | kept | folders | database


def _read(report: Path, output: str, seconds: float, code: int) -> Run:
    if not report.exists():
        return Run(Outcome.BROKEN, (), output, seconds)
    cases = list(ET.parse(report).getroot().iter("testcase"))
    noticed = [
        (case.get("name", ""), _first_line(failure.get("message", "")))
        for case in cases
        for failure in case.findall("failure")
    ]
    errors = [error for case in cases for error in case.findall("error")]
    proofs = [
        (name, how)
        for name, how in noticed
        if how.startswith(_PROOF) and not how.startswith(_NO_PROOF)
    ]
    if proofs:
        return Run(Outcome.FAILED, tuple(proofs), output, seconds)
    if errors or noticed or code not in (0, 1) or not cases:
        return Run(Outcome.BROKEN, tuple(noticed), output, seconds)
    return Run(Outcome.PASSED, (), output, seconds)


def _first_line(message: str) -> str:
    return message.strip().partition("\n")[0][:160]


def chosen(tests: Sequence[LinkedTest], names: Sequence[str]) -> tuple[LinkedTest, ...]:
    """Those of the row's tests that a patch names, or all of them."""
    return tuple(test for test in tests if not names or test.name in names)
