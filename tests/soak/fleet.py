"""The workers of the soak: real processes that are started again whenever they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.soak import soaked_worker

# Messages that one of the workers holds.
MOST_AT_ONCE = 4
_PATIENCE_S = 40
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH")


@dataclass
class Member:
    """One worker, whichever process it is at the moment."""

    name: str
    environment: Mapping[str, str]
    log: Path
    exits: Counter[int] = field(default_factory=Counter)
    # Did not end when it was told to.
    hung: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _log_starts_at: int = 0
    _told_to_end: bool = False

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def keep_running(self) -> None:
        """Start it if it does not run."""
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return
            self.exits[code] += 1
        self._sending.unlink(missing_ok=True)
        self._told_to_end = False
        with self.log.open("ab") as log:
            self._log_starts_at = log.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-m", soaked_worker.__name__],
                env={
                    **inherited(),
                    **self.environment,
                    "SOAK_SENDING_EMAIL": str(self._sending),
                },
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def tell_to_end(self) -> bool:
        """Once, since a second signal kills; False if it is told already, or not listening yet."""
        if self._told_to_end or not self._is_up():
            return False
        self._told_to_end = True
        self.signal(signal.SIGTERM)
        return True

    def _is_up(self) -> bool:
        with self.log.open("rb") as log:
            log.seek(self._log_starts_at)
            return b'"worker.started"' in log.read(1 << 16)

    def is_sending_email(self) -> bool:
        return self._sending.exists()

    def signal(self, number: signal.Signals) -> None:
        """Also for a process that has just ended: it is not waited for until ``keep_running``."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        """Tell it to end, and note how it did; one that is just starting is waited for."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        give_up_at = time.monotonic() + _PATIENCE_S
        while self._process.poll() is None and time.monotonic() < give_up_at:
            if self._told_to_end or self.tell_to_end():
                break
            time.sleep(0.05)
        try:
            self.exits[self._process.wait(_PATIENCE_S)] += 1
        except subprocess.TimeoutExpired:
            self.hung += 1
            self._process.kill()
            self._process.wait(10)

    @property
    def _sending(self) -> Path:
        return self.log.with_suffix(".sending")


class Fleet:
    """Two workers: one takes messages one by one, the other several at once."""

    def __init__(self, environment: Mapping[str, str], logs: Path) -> None:
        self.members = tuple(
            Member(name, {**environment, "SQS_MAX_MESSAGES": most}, logs / f"{name}.jsonl")
            for name, most in (("one-by-one", "1"), ("batches", str(MOST_AT_ONCE)))
        )

    @property
    def exits(self) -> Counter[int]:
        return sum((member.exits for member in self.members), Counter())

    @property
    def hung(self) -> int:
        return sum(member.hung for member in self.members)

    def keep_running(self) -> None:
        for member in self.members:
            member.keep_running()

    def __enter__(self) -> Self:
        self.keep_running()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with ExitStack() as stops:
            for member in self.members:
                stops.callback(member.stop)


def inherited() -> dict[str, str]:
    """What a process of ours needs of this one's environment."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}
