"""A worker that is killed with a user's file on its disk leaves it to nobody for long."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from tests.fakes.aws_proxy import AwsProxy, Call, Fault
from tests.fakes.environment import Environment
from tests.fakes.submissions import put_site, request
from tests.fakes.worker_process import PATIENCE_S


class HeldDownload:
    """The first download waits, and with it the worker."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, call: Call) -> Fault | None:
        if call.is_s3 and call.method == "GET" and not self.reached.is_set():
            self.reached.set()
            self.go_on.wait(PATIENCE_S)
        return None


@pytest.fixture
def left(tmp_path: Path) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def kinds(folder: Path) -> set[str]:
    return {path.name.rpartition("-")[0] for path in folder.iterdir()}


def test_the_files_of_a_killed_worker_are_removed_by_the_next(
    environment: Environment, left: Path
) -> None:
    put_site(environment)
    environment.send(request())
    held = HeldDownload()
    with AwsProxy(environment.aws, held) as proxy:
        variables = {**proxy.variables(environment.queue), "TMPDIR": str(left)}
        with environment.worker(**variables) as killed:
            assert held.reached.wait(PATIENCE_S), killed.log()
            killed.signal(signal.SIGKILL)
            killed.wait()
        held.go_on.set()
        assert kinds(left) >= {"nrf-download", "nrf-parser"}
        # The job itself waits for the end of its lease; any other with a file will do.
        put_site(environment, "job-2/site.zip")
        environment.send(request("job-2"))
        with environment.worker(**variables) as worker:
            worker.wait_for("message.deleted")
            worker.signal(signal.SIGTERM)
            assert worker.wait() == 0

    assert kinds(left) == set()
