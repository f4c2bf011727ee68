"""The parsing child crashes, hangs, eats or is killed: one file fails, the worker goes on."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.fakes.boundaries import geojson, polygon, square, zipped
from tests.fakes.boundary_children import parsing_children, wait_for, warm_child
from tests.fakes.boundary_reading import checked
from worker.boundary.limits import Limits
from worker.boundary.parser_process import ParserProcess
from worker.boundary.sandbox import Sandbox
from worker.errors import BoundaryError, Interrupted, TransientError
from worker.settings import BoundarySettings, GcnConstants

SITE = geojson(polygon(square()))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A good boundary."""
    path = tmp_path / "site.geojson"
    path.write_bytes(SITE)
    return path


class EndlessFile:
    """A pipe under a file's name: its reader waits for content that never comes."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._writer: int | None = None

    def wait_for_reader(self) -> None:
        wait_for(self._has_reader)

    def _has_reader(self) -> bool:
        try:
            self._writer = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            # fifo(7): ENXIO as long as nobody has it open for reading.
            assert error.errno == errno.ENXIO
            return False
        return True

    def close(self) -> None:
        if self._writer is not None:
            os.close(self._writer)


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[EndlessFile]:
    file = EndlessFile(tmp_path / "endless.geojson")
    yield file
    file.close()


@pytest.fixture
def own_sandbox() -> Iterator[Sandbox]:
    """A sandbox of this test's own, cold."""
    with Sandbox(BoundarySettings(), GcnConstants()) as opened:
        yield opened


class Reading:
    """A read in a thread of its own, and how it ended."""

    def __init__(self, sandbox: Sandbox, path: Path) -> None:
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, args=(sandbox, path))
        self._thread.start()

    def _read(self, sandbox: Sandbox, path: Path) -> None:
        try:
            sandbox.read_boundary(path)
        except (BoundaryError, Interrupted, TransientError) as error:
            self.error = error

    def ended(self) -> BaseException | None:
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.error


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL, signal.SIGXCPU])
def test_a_crash_fails_one_file_and_the_next_is_read(
    number: signal.Signals, sandbox: Sandbox, site: Path, endless: EndlessFile
) -> None:
    child = warm_child(sandbox)
    reading = Reading(sandbox, endless.path)
    endless.wait_for_reader()
    child.send_signal(number)
    error = reading.ended()
    assert isinstance(error, BoundaryError)
    assert checked(error).code == "boundary_unreadable"
    assert f"child ended with -{number.value}" in error.detail
    assert len(sandbox.read_boundary(site).features) == 1


@pytest.mark.parametrize("stopped", [False, True], ids=["blocked", "SIGSTOP"])
def test_a_hang_ends_at_the_wall_clock_limit(
    stopped: bool, site: Path, endless: EndlessFile
) -> None:
    with Sandbox(BoundarySettings(boundary_wall_seconds=1.0), GcnConstants()) as sandbox:
        child = warm_child(sandbox)
        started = time.monotonic()
        reading = Reading(sandbox, endless.path)
        endless.wait_for_reader()
        if stopped:
            child.suspend()
        error = reading.ended()
        assert time.monotonic() - started < 10
        assert isinstance(error, BoundaryError)
        assert checked(error).code == "boundary_unreadable"
        assert "no answer in time" in error.detail
        wait_for(lambda: gone(child), seconds=5)
        assert len(sandbox.read_boundary(site).features) == 1


def test_a_file_that_needs_too_much_memory_fails_alone(site: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.geojson"
    large.write_bytes(
        b'{"type": "Polygon", "coordinates": [[' + b"[1,2]," * 3_000_000 + b"[1,2]]]}"
    )
    settings = BoundarySettings(boundary_memory_mb=128, boundary_max_vertices=10_000_000)
    with Sandbox(settings, GcnConstants()) as sandbox:
        with pytest.raises(BoundaryError) as caught:
            sandbox.read_boundary(large)
        assert checked(caught.value).code == "boundary_unreadable"
        assert "MemoryError" in caught.value.detail
        assert len(sandbox.read_boundary(site).features) == 1


def test_a_file_that_needs_too_much_processor_time_fails_alone(site: Path, tmp_path: Path) -> None:
    # Sides from coast to coast are densified: a small file, much work.
    teeth = [(-2.0 + 0.0001 * step, 51.0 if step % 2 else 53.0) for step in range(2_000)]
    ring = [*teeth, (teeth[-1][0], 53.5), (teeth[0][0], 53.5), teeth[0]]
    costly = tmp_path / "costly.geojson"
    costly.write_bytes(geojson(*[polygon(ring)] * 200, crs=None))
    settings = BoundarySettings(
        boundary_cpu_seconds=1, boundary_max_vertices=100_000_000, boundary_max_area_ha=1e9
    )
    with Sandbox(settings, GcnConstants()) as sandbox:
        with pytest.raises(BoundaryError) as caught:
            sandbox.read_boundary(costly)
        assert checked(caught.value).code == "boundary_unreadable"
        assert f"child ended with -{signal.SIGXCPU.value}" in caught.value.detail or (
            f"child ended with -{signal.SIGKILL.value}" in caught.value.detail
        )
        assert len(sandbox.read_boundary(site).features) == 1


def test_two_million_vertices_are_refused_by_number(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "many.geojson"
    path.write_bytes(
        b'{"type": "Polygon", "coordinates": [['
        + b",".join(b"[1.%07d,52.5]" % step for step in range(2_000_000))
        + b"]]}"
    )
    with pytest.raises(BoundaryError) as caught:
        sandbox.read_boundary(path)
    assert checked(caught.value).code == "too_many_vertices"


def test_abort_from_another_thread_interrupts_the_read(
    sandbox: Sandbox, site: Path, endless: EndlessFile
) -> None:
    child = warm_child(sandbox)
    reading = Reading(sandbox, endless.path)
    endless.wait_for_reader()
    started = time.monotonic()
    sandbox.abort()
    assert isinstance(reading.ended(), Interrupted)
    assert time.monotonic() - started < 2
    wait_for(lambda: gone(child), seconds=5)
    assert len(sandbox.read_boundary(site).features) == 1


def test_abort_without_a_read_does_nothing(sandbox: Sandbox, site: Path) -> None:
    sandbox.abort()
    assert len(sandbox.read_boundary(site).features) == 1


def test_an_abort_while_the_child_still_starts_is_not_lost(
    own_sandbox: Sandbox, endless: EndlessFile
) -> None:
    reading = Reading(own_sandbox, endless.path)
    wait_for(lambda: own_sandbox._reading is not None)
    own_sandbox.abort()
    assert isinstance(reading.ended(), Interrupted)


def test_an_idle_child_that_died_is_replaced(own_sandbox: Sandbox, site: Path) -> None:
    child = warm_child(own_sandbox)
    child.kill()
    child.wait(10)
    assert len(own_sandbox.read_boundary(site).features) == 1


def test_each_file_gets_a_child_of_its_own(own_sandbox: Sandbox, site: Path) -> None:
    seen = set()
    for _ in range(3):
        seen.add(warm_child(own_sandbox).pid)
        own_sandbox.read_boundary(site)
    assert len(seen) == 3


def test_a_cold_sandbox_leaves_no_child_behind(
    own_sandbox: Sandbox, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[psutil.Process] = []

    class Seen(ParserProcess):
        def __init__(self, limits: Limits) -> None:
            super().__init__(limits)
            started.append(psutil.Process(self.pid))

    monkeypatch.setattr("worker.boundary.sandbox.ParserProcess", Seen)
    own_sandbox.read_boundary(site)

    assert own_sandbox._next is None
    (child,) = started
    wait_for(lambda: gone(child))


def test_closing_ends_the_warm_child() -> None:
    with Sandbox(BoundarySettings(), GcnConstants()) as sandbox:
        child = warm_child(sandbox)
        assert child.is_running()
    wait_for(lambda: gone(child), seconds=5)


def test_the_child_outlives_the_thread_that_asked_for_it(own_sandbox: Sandbox, site: Path) -> None:
    """PR_SET_PDEATHSIG speaks of the starting thread; a job's thread ends with its job."""
    # The thread waits until the child has asked for that signal, and only then ends.
    thread = threading.Thread(target=warm_child, args=(own_sandbox,))
    thread.start()
    thread.join()
    child = warm_child(own_sandbox)
    time.sleep(0.2)
    assert not gone(child)
    assert len(own_sandbox.read_boundary(site).features) == 1


def test_the_child_dies_with_the_worker(endless: EndlessFile) -> None:
    program = (
        "import sys, pathlib\n"
        "from worker.boundary.sandbox import Sandbox\n"
        "from worker.settings import BoundarySettings, GcnConstants\n"
        "sandbox = Sandbox(BoundarySettings(), GcnConstants())\n"
        "sandbox.warm()\n"
        "sandbox.read_boundary(pathlib.Path(sys.argv[1]))\n"
    )
    command = [sys.executable, "-c", program, str(endless.path)]
    with subprocess.Popen(command) as worker:
        endless.wait_for_reader()
        children = parsing_children(psutil.Process(worker.pid))
        worker.kill()
        worker.wait(10)
        assert children
        wait_for(lambda: all(gone(child) for child in children), seconds=5)


def test_no_child_at_all_is_a_transient_fault_of_ours(
    own_sandbox: Sandbox, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for broken in ("/bin/false", "/nonexistent/python"):
        monkeypatch.setattr(sys, "executable", broken)
        with pytest.raises(TransientError) as caught:
            own_sandbox.read_boundary(site)
        assert caught.value.code == "parser_unavailable"
    monkeypatch.undo()
    assert len(own_sandbox.read_boundary(site).features) == 1


def test_a_child_without_descriptors_is_a_transient_fault_of_ours(
    own_sandbox: Sandbox, site: Path
) -> None:
    child = warm_child(own_sandbox)
    child.rlimit(psutil.RLIMIT_NOFILE, (0, 64))
    with pytest.raises(TransientError) as caught:
        own_sandbox.read_boundary(site)
    assert caught.value.code == "parser_unavailable"
    assert "Too many open files" in caught.value.detail
    assert len(own_sandbox.read_boundary(site).features) == 1


def test_a_disk_that_cannot_be_read_is_a_transient_fault_of_ours(own_sandbox: Sandbox) -> None:
    child = warm_child(own_sandbox)
    # proc(5): nothing is mapped at address 0, so reading there is an I/O error.
    with pytest.raises(TransientError) as caught:
        own_sandbox.read_boundary(Path(f"/proc/{child.pid}/mem"))
    assert caught.value.code == "parser_unavailable"
    assert os.strerror(errno.EIO) in caught.value.detail


def test_a_file_larger_than_it_may_be_is_the_files_fault(
    own_sandbox: Sandbox, tmp_path: Path
) -> None:
    archive = tmp_path / "site.zip"
    archive.write_bytes(zipped({"site.geojson": SITE + b" " * 20_000}))
    warm_child(own_sandbox).rlimit(psutil.RLIMIT_FSIZE, (10_000, 10_000))
    with pytest.raises(BoundaryError) as caught:
        own_sandbox.read_boundary(archive)
    assert checked(caught.value).code == "boundary_unreadable"
    assert os.strerror(errno.EFBIG) in caught.value.detail


def test_the_child_never_holds_the_workers_secrets(
    own_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = (
        "AWS_SECRET_ACCESS_KEY",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "DATABASE_URL",
        "DB_PASSWORD",
        "BACKEND_API_KEY",
        "GOVUK_NOTIFY_API_KEY",
        "HTTPS_PROXY",
        "PROJ_DATA",
        "SOME_TOKEN",
    )
    for name in names:
        monkeypatch.setenv(name, "canary-secret")
    child = warm_child(own_sandbox)
    # Of the process image itself, which removing variables later would not change.
    environment = Path(f"/proc/{child.pid}/environ").read_bytes()
    assert b"canary-secret" not in environment
    assert not any(name.encode() in environment for name in names)


def test_a_child_without_an_accurate_conversion_refuses_degrees_only(
    own_sandbox: Sandbox, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "packages" / "convertbng"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    # What PROJ gives without the OSTN15 grid: a plausible point, 3.4 m away.
    (package / "cutil.py").write_text(
        "import numpy as np\n"
        "def convert_bng(longitudes, latitudes):\n"
        "    return np.full(len(longitudes), 651411.9), np.full(len(longitudes), 313174.8)\n"
    )
    monkeypatch.syspath_prepend(str(package.parent))
    degrees = tmp_path / "degrees.geojson"
    degrees.write_bytes(geojson(polygon(square(1.3, 52.6, 0.001)), crs=None))
    with pytest.raises(BoundaryError) as caught:
        own_sandbox.read_boundary(degrees)
    assert checked(caught.value).code == "transformation_unavailable"
    assert len(own_sandbox.read_boundary(site).features) == 1


def test_the_child_runs_under_limits_and_without_new_privileges(own_sandbox: Sandbox) -> None:
    child = warm_child(own_sandbox)

    def limit(which: int) -> int:
        return psutil.Process(child.pid).rlimit(which)[0]

    assert limit(psutil.RLIMIT_AS) < 2 * 1024**3
    assert 60 <= limit(psutil.RLIMIT_CPU) < 70
    assert limit(psutil.RLIMIT_FSIZE) == 500 * 1024**2
    assert limit(psutil.RLIMIT_NOFILE) == 64
    assert limit(psutil.RLIMIT_CORE) == 0
    assert "NoNewPrivs:\t1" in Path(f"/proc/{child.pid}/status").read_text()
    assert child.num_threads() <= 4
    assert os.getsid(child.pid) == child.pid


def test_the_idle_child_is_small_and_imports_only_what_it_needs(own_sandbox: Sandbox) -> None:
    child = warm_child(own_sandbox)
    assert child.memory_full_info().pss < 100 * 1024**2
    mapped = Path(f"/proc/{child.pid}/maps").read_text()
    assert "fiona" in mapped
    assert not any(name in mapped for name in ("pydantic_core", "psycopg", "cryptography"))
