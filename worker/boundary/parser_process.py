"""One parsing child as its parent sees it: started, asked once, killed and tidied away.

It is a fresh interpreter started by ``subprocess`` and not by ``multiprocessing``: its environment
holds no secret from the first instruction on, nothing of the parent's main module is imported into
it, and no resource tracker process runs beside it.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import IO, cast

from worker.boundary import wire
from worker.boundary.limits import Limits
from worker.scratch import scratch_directory

# Interpreter, GDAL and the grid take about 0.4 s; a busy machine may take its time.
_START_LIMIT_S = 60.0
# From the end of its pipe to the end of a process.
_END_LIMIT_S = 5.0
_CHUNK = 1024 * 1024
_STDERR_TAIL = 500
# Passed on if set; everything else of the environment stays with the parent.
_INHERITED = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TZ")
_ENVIRONMENT = {
    # One file needs one thread, and each thread reserves address space.
    "OPENBLAS_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    # GDAL opens named drivers only; these keep every other door shut as well.
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "{none}",
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_DRIVER_PATH": "disable",
    "GDAL_HTTP_MAX_RETRY": "0",
    "GDAL_PAM_ENABLED": "NO",
    "PROJ_NETWORK": "OFF",
}


class ParserFailed(Exception):
    """A child ended, hung or never started; ``stderr`` is the end of what it printed."""

    def __init__(self, reason: str, stderr: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.stderr = stderr


class ParserProcess:
    """A child process, its pipes and its directory; started by the constructor."""

    def __init__(self, limits: Limits) -> None:
        self._cleanup = ExitStack()
        directory = self._cleanup.enter_context(scratch_directory("parser"))
        self._files = directory / "files"
        self._files.mkdir()
        self._stderr_path = directory / "stderr"
        self._most_bytes = wire.most_bytes(limits)
        self._ready = False
        try:
            self._process = self._started(limits)
        except OSError:
            self._cleanup.close()
            raise
        self._requests = cast("IO[bytes]", self._process.stdin)
        self._answers = cast("IO[bytes]", self._process.stdout)

    def _started(self, limits: Limits) -> subprocess.Popen[bytes]:
        arguments = (str(os.getpid()), json.dumps(asdict(limits)))
        with self._stderr_path.open("wb") as stderr:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "worker.boundary.child", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                # Unbuffered, so that closing a broken pipe has nothing left to write.
                bufsize=0,
                cwd=self._files,
                env=_environment(self._files),
                # Ctrl-C in a terminal stops the worker in good order, not the file being read.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self) -> None:
        """Raises ParserFailed if it does not come up, or has ended since."""
        if not self._ready:
            self._ready = bool(self._read(len(wire.READY), time.monotonic() + _START_LIMIT_S))
        if not self._ready or self._process.poll() is not None:
            raise self._ended()

    def ask(self, request: bytes, wall_s: float) -> bytes:
        """The child's whole answer, which is still to be checked; raises ParserFailed."""
        deadline = time.monotonic() + wall_s
        try:
            self._requests.write(request)
            self._requests.close()
        except BrokenPipeError:
            raise self._ended() from None
        answer = self._read(self._most_bytes, deadline)
        if not answer:
            raise self._ended()
        return answer

    def _read(self, most: int, deadline: float) -> bytes:
        """Up to ``most`` bytes, fewer at the end of the stream; raises ParserFailed when late."""
        stdout = self._answers.fileno()
        poller = select.poll()
        poller.register(stdout, select.POLLIN)
        received = bytearray()
        while len(received) < most:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not poller.poll(left_s * 1000):
                raise self._failure("no answer in time")
            chunk = os.read(stdout, min(_CHUNK, most - len(received)))
            if not chunk:
                break
            received += chunk
        return bytes(received)

    def _ended(self) -> ParserFailed:
        """Its pipe is at an end, so the process is too, or will be in a moment."""
        try:
            return self._failure(f"child ended with {self._process.wait(_END_LIMIT_S)}")
        except subprocess.TimeoutExpired:
            return self._failure("child closed its pipe")

    def _failure(self, reason: str) -> ParserFailed:
        with self._stderr_path.open("rb") as file:
            file.seek(max(0, self._stderr_path.stat().st_size - _STDERR_TAIL))
            return ParserFailed(reason, file.read().decode("utf-8", errors="replace").strip())

    def kill(self) -> None:
        self._process.kill()

    def discard(self) -> None:
        """End the process, whatever it does, and remove its files."""
        self._process.kill()
        self._process.wait()
        self._requests.close()
        self._answers.close()
        self._cleanup.close()


def _environment(home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    # The parent's own import path, so that the child finds the same packages.
    path = os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path)
    return kept | _ENVIRONMENT | {"HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": path}
