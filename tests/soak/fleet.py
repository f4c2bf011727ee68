"""The workers of the soak: real processes that are started again whenever they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.soak import soaked_worker

_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH")


@dataclass
class Member:
    """One worker, whichever process it is at the moment."""

    name: str
    environment: Mapping[str, str]
    log: Path
    exits: Counter[int] = field(default_factory=Counter)
    _process: subprocess.Popen[bytes] | None = None

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
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", soaked_worker.__name__],
                env={**inherited(), **self.environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def signal(self, number: signal.Signals) -> None:
        """Also for a process that has just ended: it is not waited for until ``keep_running``."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(40)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)


class Fleet:
    """Two workers: one takes messages one by one, the other several at once."""

    def __init__(self, environment: Mapping[str, str], logs: Path) -> None:
        self.members = tuple(
            Member(name, {**environment, "SQS_MAX_MESSAGES": most}, logs / f"{name}.jsonl")
            for name, most in (("one-by-one", "1"), ("batches", "4"))
        )

    @property
    def exits(self) -> Counter[int]:
        return sum((member.exits for member in self.members), Counter())

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
