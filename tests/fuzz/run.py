"""The process that reads spoiled files one after the other and tells what came of them."""

from __future__ import annotations

import logging
import os
import re
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from tempfile import mkdtemp

import structlog

from tests.fuzz.mutate import Spoiler
from tests.fuzz.promise import Answer, Broken, Kind, Outcome, examine, judged
from tests.fuzz.seeds import seeds
from worker.boundary import crs
from worker.boundary.sandbox import Sandbox
from worker.errors import BoundaryError
from worker.settings import BoundarySettings, GcnConstants

# A child of the sandbox takes half a second of processor time; a file read here a millisecond.
_SANDBOX_EVERY_S = 3.0
_TELL_EVERY_S = 1.0
_MOST_MEMORY = 4 * 1024**3
_KINDS: Sequence[Kind] = ("boundary", "boundary", "boundary", "outlines", "survey_ponds")
# In the sandbox a child that crashed or hung is a refusal with this code, and says so here.
_CHILD_FAILED = re.compile("child|no answer|malformed answer")


@dataclass(frozen=True)
class Finding:
    """A file about which a promise was broken."""

    reason: str
    content: bytes


@dataclass(frozen=True)
class Progress:
    """What was done so far, and the file that was read last."""

    executions: int = 0
    sandboxed: int = 0
    seconds: float = 0.0
    outcomes: frozenset[Outcome] = field(default_factory=frozenset)
    last: bytes = b""

    def plus(self, other: Progress) -> Progress:
        return Progress(
            self.executions + other.executions,
            self.sandboxed + other.sandboxed,
            self.seconds + other.seconds,
            self.outcomes | other.outcomes,
            other.last,
        )


@dataclass(frozen=True)
class Run:
    """One process's share: how it draws its mutations, and for how long."""

    seed: str
    references: tuple[str, ...]
    folder: Path
    seconds: float

    @property
    def current_path(self) -> Path:
        return self.folder / "current"

    @property
    def noise_path(self) -> Path:
        return self.folder / "noise"

    def noise(self) -> str:
        """The end of what the process and its libraries printed."""
        return self.noise_path.read_text(errors="replace")[-2_000:].strip()

    def current(self) -> bytes:
        """The file that was being read when the process ended."""
        return self.current_path.read_bytes() if self.current_path.exists() else b""


def spoil_files(run: Run, messages: Connection) -> None:
    """Read spoiled files until the time is over, and send Finding, Progress and None at the end."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    # GDAL and PROJ print what they think of each file.
    with run.noise_path.open("wb") as noise:
        os.dup2(noise.fileno(), 2)
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with Sandbox(BoundarySettings(), GcnConstants()) as sandbox:
        sandbox.warm()
        _Reader(run, messages, sandbox).go()
    messages.send(None)


class _Reader:
    def __init__(self, run: Run, messages: Connection, sandbox: Sandbox) -> None:
        self._run = run
        self._messages = messages
        self._sandbox = sandbox
        self._folder = Path(mkdtemp(dir=run.folder))
        self._random = Random(run.seed)
        self._spoiler = Spoiler(self._random, run.references)
        self._samples = seeds()
        self._outcomes: set[Outcome] = set()
        self._executions = self._sandboxed = 0

    def go(self) -> None:
        started = sandboxed = time.monotonic()
        told = 0.0
        while (now := time.monotonic()) - started < self._run.seconds:
            sample, content = self._spoiler.spoil(self._random.choice(self._samples), self._samples)
            kind = self._random.choice(_KINDS)
            self._run.current_path.write_bytes(content)
            outcome = self._read(content, kind)
            if outcome and outcome not in self._outcomes:
                # What has come to a new end is worth spoiling further.
                self._outcomes.add(outcome)
                self._samples.append(sample)
            if outcome and now - sandboxed > _SANDBOX_EVERY_S:
                self._compare(outcome, content, kind)
                sandboxed = time.monotonic()
            if now - told > _TELL_EVERY_S:
                self._tell(now - started, content)
                told = now
        self._tell(time.monotonic() - started, b"")

    def _read(self, content: bytes, kind: Kind) -> Outcome | None:
        self._executions += 1
        if self._executions % 1_000 == 0:
            # It remembers every text that it was asked about.
            crs._identified.cache_clear()
        try:
            return examine(content, kind, self._folder)
        except Broken as broken:
            self._messages.send(Finding(str(broken), content))
            return None

    def _compare(self, expected: Outcome, content: bytes, kind: Kind) -> None:
        """The sandbox has other limits, and so another answer to files that are near them only."""
        self._sandboxed += 1
        answer = self._sandboxed_answer(kind)
        try:
            found = judged(answer, kind)
        except Broken as broken:
            self._messages.send(Finding(f"sandbox: {broken}", content))
            return
        if isinstance(answer, BoundaryError) and _CHILD_FAILED.match(answer.detail):
            self._messages.send(Finding(f"sandbox: {answer.detail[:80]}", content))
        elif found.code != expected.code and not expected.code.startswith("too_"):
            self._messages.send(Finding(f"sandbox: {expected.code} is {found.code}", content))

    def _sandboxed_answer(self, kind: Kind) -> Answer:
        path = self._run.current_path
        try:
            if kind == "survey_ponds":
                return self._sandbox.read_survey_ponds(path, filename_hint="ponds")
            return self._sandbox.read_boundary(
                path, filename_hint="site.zip", with_dwellings=kind == "boundary"
            )
        except BoundaryError as refusal:
            return refusal

    def _tell(self, seconds: float, last: bytes) -> None:
        self._messages.send(
            Progress(self._executions, self._sandboxed, seconds, frozenset(self._outcomes), last)
        )
