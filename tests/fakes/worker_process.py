"""The real worker as a real process: started, watched through its log, signalled, waited for."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")
LogLine = Mapping[str, object]

_REPOSITORY = Path(__file__).parents[2]

# Not how long things take, but when to give up on a loaded machine.
PATIENCE_S = float(os.environ.get("TEST_PATIENCE_SECONDS", "40"))

_SECRETS = ("BACKEND_API_KEY", "GOVUK_NOTIFY_API_KEY", "DATABASE_URL")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
# Those of the emulators are that long without a break, and nothing else is.
_RECEIPT_HANDLE = re.compile(r"[A-Za-z0-9+/=_-]{120,}")


@dataclass
class WorkerProcess:
    """``python -m worker run`` and the log lines that it has written so far."""

    process: subprocess.Popen[str]
    lines: list[LogLine] = field(default_factory=list)
    _arrived: queue.Queue[LogLine] = field(default_factory=queue.Queue)

    @property
    def pid(self) -> int:
        return self.process.pid

    def read(self) -> None:
        assert self.process.stdout is not None
        for text in self.process.stdout:
            try:
                line = json.loads(text)
            except ValueError:
                line = {"message": "not.json", "text": text}
            self.lines.append(line)
            self._arrived.put(line)

    def wait_for(self, event: str, **fields: object) -> LogLine:
        """The first line of this event, already written or still to come."""
        return self.wait_until(lambda: next(iter(self.events(event, **fields)), None), event)

    def wait_until(self, look: Callable[[], _T | None], what: str) -> _T:
        """Look again whenever the log grows, until there is something to see."""
        ends_at = time.monotonic() + PATIENCE_S
        while True:
            found = look()
            if found:
                return found
            if time.monotonic() > ends_at:
                raise AssertionError(f"no {what} within {PATIENCE_S} s:\n{self.log()}")
            try:
                self._arrived.get(timeout=0.1)
            except queue.Empty:
                assert self.process.poll() is None or self._arrived.empty(), self.log()

    def events(self, event: str, **fields: object) -> list[LogLine]:
        return [
            line
            for line in list(self.lines)
            if line.get("message") == event
            and all(line.get(name) == value for name, value in fields.items())
        ]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """The exit code."""
        return self.process.wait(timeout_s)

    def log(self) -> str:
        return "\n".join(json.dumps(line) for line in list(self.lines)[-60:])


def health_of(worker: WorkerProcess) -> str:
    """Where a worker that has started is asked for its health."""
    return f"http://127.0.0.1:{worker.wait_for('worker.started')['health_port']}/health"


def is_stopped(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    return stat.rpartition(")")[2].split()[0] == "T"


@contextmanager
def running_worker(
    environment: Mapping[str, str], program: Sequence[str] = ("worker", "run")
) -> Iterator[WorkerProcess]:
    """A worker that is killed at the end of the block if it still runs.

    ``program``: the module, with its arguments, that is the worker.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", *program],
        cwd=_REPOSITORY,
        env={**_inherited(), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    worker = WorkerProcess(process)
    reader = threading.Thread(target=worker.read, daemon=True)
    reader.start()
    try:
        yield worker
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        reader.join(10)
        if process.stdout is not None:
            process.stdout.close()
    _assert_nothing_leaked(worker, environment)


def _assert_nothing_leaked(worker: WorkerProcess, environment: Mapping[str, str]) -> None:
    """Whatever a test is about, no line holds a key, an address or a receipt handle."""
    written = json.dumps(worker.lines, ensure_ascii=False)
    for name in _SECRETS:
        value = environment.get(name)
        assert not value or value not in written, f"{name} is in the log"
    for pattern in (_EMAIL, _RECEIPT_HANDLE):
        assert pattern.findall(written) == []


def _inherited() -> dict[str, str]:
    keep = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH")
    return {name: os.environ[name] for name in keep if name in os.environ}
