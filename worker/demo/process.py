"""A helper process of the demo or the tests: on a leash, with a log, waited for until ready."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from worker.demo import leash

_LOG_TAIL_LINES = 20


class HelperFailed(Exception):
    """A helper process ended, or was not ready in time."""


class Helper:
    """Runs ``command`` until ``stop``, or until this process is gone.

    ``stop_signal`` is sent first, SIGKILL ``patience_s`` later. Standard output and error go to
    ``log``. ``environment`` replaces that of this process.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        stop_signal: str = "SIGTERM",
        patience_s: float = 10,
        user: str | None = None,
        remove: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._log = log
        options = ["--signal", stop_signal, "--patience", str(patience_s)]
        options += ["--user", user] if user else []
        options += ["--remove", str(remove)] if remove else []
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, leash.__file__, *options, "--", *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        self._patience_s = patience_s

    def wait_until(self, ready: Callable[[], bool], *, timeout_s: float = 30) -> None:
        """Poll ``ready``; raises HelperFailed with the end of the log if that never comes."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if self._process.poll() is not None:
                raise HelperFailed(f"ended with code {self._process.returncode}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise HelperFailed(f"not ready after {timeout_s:g} s:\n{self.tail()}")
            time.sleep(0.02)

    def stop(self) -> int:
        """Let go of the leash and wait for the end; returns the command's exit code."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(self._patience_s + 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        return self._process.returncode

    def tail(self) -> str:
        """The last lines of the log, for a message to a person."""
        if not self._log.exists():
            return ""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:])


def free_port() -> int:
    """A TCP port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
