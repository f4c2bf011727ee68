"""Files from users are opened in a child process, single use, with one kept warm."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from worker.boundary import wire
from worker.boundary.limits import Limits
from worker.boundary.model import Boundary, SurveyPonds
from worker.boundary.parser_process import ParserFailed, ParserProcess
from worker.errors import BoundaryError, Interrupted
from worker.logs import logger
from worker.settings import BoundarySettings, GcnConstants

log = logger(__name__)

_STARTS = 2
_LONGEST_NAME = 255
_FileT = TypeVar("_FileT")


class Sandbox:
    """Reads files in children; one read at a time, ``abort`` from any thread.

    The first ``warm`` makes it keep a child ready between reads; without it each read starts its
    own, which suits a command that reads one file.
    """

    def __init__(self, settings: BoundarySettings, newts: GcnConstants) -> None:
        self._limits = _limits(settings, newts)
        self._wall_s = settings.boundary_wall_seconds
        # A child dies with the *thread* that started it (prctl(2), PR_SET_PDEATHSIG), so one
        # thread starts them all and lives as long as the sandbox.
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox")
        self._next: Future[ParserProcess] | None = None
        self._keep_warm = False
        self._lock = threading.Lock()
        self._reading: _Read | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def warm(self) -> None:
        """Start the next child without waiting for it, now and after every read."""
        self._keep_warm = True
        if self._next is None:
            self._next = self._starter.submit(ParserProcess, self._limits)

    def close(self) -> None:
        """End the child; the sandbox cannot be used again."""
        self._keep_warm = False
        self.abort()
        waiting, self._next = self._next, None
        if waiting is not None and waiting.exception() is None:
            waiting.result().discard()
        self._starter.shutdown()

    def abort(self) -> None:
        """Kill the child of the running read, which then raises Interrupted; else do nothing."""
        with self._lock:
            if self._reading is not None:
                self._reading.abort()

    def read_boundary(
        self, path: Path, *, filename_hint: str = "", with_dwellings: bool = True
    ) -> Boundary:
        """The boundary in ``path``, every feature checked and in EPSG:27700.

        ``filename_hint``: what the user called the file; words a refusal, decides nothing. Without
        ``with_dwellings`` the features are sites of newts: that attribute is not looked at, and
        what lies around them has to be within the child's limits too. Raises BoundaryError with the
        codes of section 7; Interrupted after ``abort``; TransientError ``parser_unavailable`` if no
        child can be started, or its disk or descriptors run out.
        """
        kind = wire.BOUNDARY if with_dwellings else wire.OUTLINES
        return self._read(kind, path, filename_hint, wire.decode_boundary)

    def read_survey_ponds(self, path: Path, *, filename_hint: str = "") -> SurveyPonds:
        """The surveyed ponds in ``path``; raises what ``read_boundary`` does.

        A refusal names the file it speaks of, since a requester sends two.
        """
        try:
            return self._read(wire.SURVEY_PONDS, path, filename_hint, wire.decode_survey_ponds)
        except BoundaryError as error:
            sentence = f"Survey ponds: {error.sentence}"
            raise BoundaryError(error.code, sentence, detail=error.detail) from error

    def _read(
        self,
        kind: str,
        path: Path,
        filename_hint: str,
        decode: Callable[[bytes, Limits], _FileT],
    ) -> _FileT:
        hint = filename_hint[-_LONGEST_NAME:]
        answer = self._ask({"kind": kind, "path": str(path.resolve()), "filename_hint": hint})
        try:
            return decode(answer, self._limits)
        except wire.WireError as error:
            raise _unreadable(f"malformed answer: {error}") from error

    def _ask(self, request: dict[str, str]) -> bytes:
        reading = _Read()
        with self._lock:
            self._reading = reading
        try:
            child = self._ready_child(reading)
            try:
                return child.ask(json.dumps(request).encode() + b"\n", self._wall_s)
            except ParserFailed as failure:
                reading.check()
                log.warning("sandbox.child_failed", reason=failure.reason, detail=failure.stderr)
                raise _unreadable(f"{failure.reason}: {failure.stderr}") from failure
            finally:
                self._dismiss(child)
        finally:
            with self._lock:
                self._reading = None
            if self._keep_warm:
                self.warm()

    def _dismiss(self, child: ParserProcess) -> None:
        """Kill it now; taking its memory and files apart need not keep the job waiting."""
        child.kill()
        try:
            self._starter.submit(child.discard)
        except RuntimeError:
            # Closed by another thread in the meantime.
            child.discard()

    def _ready_child(self, reading: _Read) -> ParserProcess:
        """A child that waits for a file; one that died while it was idle is replaced."""
        reason = ""
        for _ in range(_STARTS):
            waiting, self._next = self._next, None
            try:
                child = (waiting or self._starter.submit(ParserProcess, self._limits)).result()
            except OSError as error:
                reason = str(error)
                log.warning("sandbox.start_failed", reason=reason)
                continue
            reading.attach(child)
            try:
                child.wait_ready()
                return child
            except ParserFailed as failure:
                self._dismiss(child)
                reading.check()
                reason = f"{failure.reason}: {failure.stderr}"
                log.warning("sandbox.start_failed", reason=failure.reason, detail=failure.stderr)
        raise wire.parser_unavailable(reason)


def _limits(settings: BoundarySettings, newts: GcnConstants) -> Limits:
    return Limits(
        max_bytes=settings.boundary_max_bytes,
        max_expanded_bytes=settings.boundary_max_expanded_bytes,
        max_entries=settings.boundary_max_entries,
        max_ratio=settings.boundary_max_ratio,
        max_vertices=settings.boundary_max_vertices,
        max_features=settings.boundary_max_features,
        max_area_ha=settings.boundary_max_area_ha,
        cpu_seconds=settings.boundary_cpu_seconds,
        memory_mb=settings.boundary_memory_mb,
        site_buffer_m=newts.site_buffer_m,
        pond_buffer_m=newts.pond_buffer_m,
        segments_per_quadrant=newts.segments_per_quadrant,
        grid_m=newts.grid_m,
    )


def _unreadable(detail: str) -> BoundaryError:
    return BoundaryError(
        "boundary_unreadable",
        "The file could not be read: it is damaged, or takes more time or memory than a boundary"
        " may. Please export it again, and simplify it if it is very detailed.",
        detail=detail,
    )


class _Read:
    """One running read, and whether somebody has called it off."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: ParserProcess | None = None
        self._aborted = False

    def attach(self, child: ParserProcess) -> None:
        with self._lock:
            self._child = child
            if self._aborted:
                child.kill()

    def abort(self) -> None:
        with self._lock:
            self._aborted = True
            if self._child is not None:
                self._child.kill()

    def check(self) -> None:
        if self._aborted:
            raise Interrupted("boundary_aborted", "Reading the boundary was called off.")
