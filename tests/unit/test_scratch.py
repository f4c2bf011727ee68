"""Files of a job go with it; those of a killed process go with the next job."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from worker.scratch import scratch_directory

HOLDS_ONE = """
import sys
from worker.scratch import scratch_directory
with scratch_directory(sys.argv[1]) as files:
    (files / "site.geojson").write_text("{}")
    print(files, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def holder(kind: str, temporary: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process inside the block, and the directory that it has there."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS_ONE, kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"TMPDIR": str(temporary), "PYTHONPATH": ":".join(sys.path)},
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_directory_is_empty_for_nobody_else_and_gone_afterwards(temporary: Path) -> None:
    with scratch_directory("job") as files:
        assert list(files.iterdir()) == []
        (only,) = temporary.iterdir()
        assert only.name.startswith("nrf-job-")
        assert only.stat().st_mode & 0o777 == 0o700
        (files / "site.geojson").write_text("{}")
    assert list(temporary.iterdir()) == []


def test_a_failing_block_leaves_nothing_either(temporary: Path) -> None:
    with pytest.raises(KeyError), scratch_directory("job"):
        raise KeyError
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_nothing_of_a_living_one(
    temporary: Path,
) -> None:
    killed, abandoned = holder("job", temporary)
    end(killed)
    assert (abandoned / "site.geojson").exists()
    living, in_use = holder("job", temporary)
    other, of_another_kind = holder("export", temporary)
    end(other)
    try:
        with scratch_directory("job"):
            assert not abandoned.parent.exists()
            assert (in_use / "site.geojson").exists()
            assert (of_another_kind / "site.geojson").exists()
    finally:
        end(living)
