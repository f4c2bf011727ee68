"""What runs in the health process: a Flask app that judges the latest report of the loop.

Spawned by ``worker.health``; it imports nothing of the worker but the shared records and the
logs, so that it stays small. Flask and waitress are imported in the child only.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from worker import logs, metrics
from worker.progress import Phase, Progress

if TYPE_CHECKING:
    from flask import Flask
    from flask.typing import ResponseReturnValue

_log = logs.logger(__name__)

# A worker that has not reported once by then did not start.
START_LIMIT_S = 60.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class ChildSettings:
    """What the parent tells the health process; no secret is among it."""

    service_version: str
    log_level: Literal["debug", "info", "warning", "error"]
    log_format: Literal["auto", "json", "console"]
    in_ecs: bool
    metrics: metrics.Target | None = None


class Watch:
    """The latest report and when it came, on this process's monotonic clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._received = clock()
        self._polled: float | None = None
        self._latest = Progress(Phase.STARTING, START_LIMIT_S)

    def report(self, progress: Progress) -> None:
        now = self._clock()
        with self._lock:
            self._received = now
            self._latest = progress
            if progress.polled:
                self._polled = now

    def verdict(self) -> Verdict:
        now = self._clock()
        with self._lock:
            return Verdict(
                stuck=now - self._received > self._latest.limit_s,
                progress=self._latest,
                last_poll_age_s=None if self._polled is None else now - self._polled,
            )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the loop counts as stuck, and the report that says so."""

    stuck: bool
    progress: Progress
    last_poll_age_s: float | None


def create_app(watch: Watch, version: str) -> Flask:
    """``GET /health`` and ``GET /version``; neither needs a key nor asks another service."""
    from flask import Flask, jsonify

    app = Flask("worker.health")

    @app.get("/health")
    def health() -> ResponseReturnValue:
        verdict = watch.verdict()
        age_s = verdict.last_poll_age_s
        if verdict.stuck:
            _log.warning(
                "health.failed",
                phase=verdict.progress.phase,
                limit_s=verdict.progress.limit_s,
                job_id=verdict.progress.job,
            )
        body = jsonify(
            status="stuck" if verdict.stuck else "ok",
            phase=verdict.progress.phase,
            lastPollAgeSeconds=None if age_s is None else round(age_s, 1),
            currentJob=verdict.progress.job,
            jobType=verdict.progress.job_type,
            version=version,
        )
        return body, 503 if verdict.stuck else 200

    @app.get("/version")
    def version_() -> ResponseReturnValue:
        return jsonify(version=version)

    return app


def follow(feed: socket.socket, watch: Watch) -> None:
    """Read reports, one JSON line each, until the parent is gone."""
    with feed.makefile("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                return
            fields = json.loads(line)
            watch.report(Progress(**{**fields, "phase": Phase(fields["phase"])}))


def run(settings: ChildSettings, listener: socket.socket, feed: socket.socket) -> None:
    """Serve until the parent is gone; signals sent to the group are the parent's business."""
    os.setpgid(0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    logs.configure(settings, observers=metrics.observers(settings.metrics))
    # A request that waits for another is no event; the health check says how the loop is.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    _die_with_parent()
    watch = Watch()
    threading.Thread(target=_follow_and_exit, args=(feed, watch), daemon=True).start()
    from waitress.server import create_server

    app = create_app(watch, settings.service_version)
    server = create_server(app, sockets=[listener], threads=2, ident=None, channel_timeout=10)
    server.run()


def _follow_and_exit(feed: socket.socket, watch: Watch) -> None:
    # Nothing here is worth an orderly end, and server.run() offers none to another thread.
    code = os.EX_OK
    try:
        follow(feed, watch)
    except (ValueError, KeyError, TypeError):
        _log.critical("health.feed_unreadable", exc_info=True)
        code = os.EX_SOFTWARE
    finally:
        os._exit(code)


def _die_with_parent() -> None:
    """Have Linux kill this process with its parent; elsewhere the end of the feed has to do."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
