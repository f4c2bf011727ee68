"""The health process as the worker sees it: started, told about progress, watched, stopped.

It is a process of its own so that it answers while the worker computes; spawned, not forked, so
that none of the worker's modules, threads and connections are there.
"""

from __future__ import annotations

import json
import multiprocessing
import socket
import threading
from dataclasses import asdict
from multiprocessing.context import SpawnProcess

from worker.errors import EX_UNAVAILABLE, StartError
from worker.health_process import ChildSettings, run
from worker.logs import logger
from worker.metrics import Target
from worker.progress import Progress
from worker.settings import HealthSettings, RuntimeSettings

_log = logger(__name__)

_BACKLOG = 64
_STOP_TIMEOUT_S = 2.0


class HealthProcess:
    """Owns the port and the child that serves it; only ``report`` is for any thread."""

    def __init__(
        self,
        health: HealthSettings,
        runtime: RuntimeSettings,
        metrics: Target | None = None,
    ) -> None:
        self._health = health
        self._metrics = metrics
        self._runtime = runtime
        self._child: SpawnProcess | None = None
        self._feed: socket.socket | None = None
        self._begun = b""
        self._port = health.health_port
        # The loop reports, and the thread in which it makes deliveries.
        self._reporting = threading.Lock()

    @property
    def alive(self) -> bool:
        """False before ``start``, after ``stop``, and once the child has died."""
        return self._child is not None and self._child.is_alive()

    @property
    def port(self) -> int:
        """The port that is served; chosen by the system where HEALTH_PORT is 0."""
        return self._port

    @property
    def pid(self) -> int | None:
        """Process id of the child."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Bind the port and start the child, without waiting for it to answer.

        The port is bound here, so that one in use is told at once: raises StartError
        ``health_port_unavailable``. Call it from the main thread: Linux ends the child with the
        thread that started it.
        """
        listener = self._listen()
        feed, child_feed = socket.socketpair()
        feed.setblocking(False)
        with listener, child_feed:
            self._port = listener.getsockname()[1]
            self._child = self._spawn(listener, child_feed)
        self._feed = feed
        _log.info("health.started", port=self._port, pid=self._child.pid)

    def report(self, progress: Progress) -> None:
        """Tell the child what the loop is doing; never blocks.

        A child that does not read misses reports; a line that was begun is completed first.
        """
        line = json.dumps(asdict(progress)).encode() + b"\n"
        with self._reporting:
            if self._feed is None:
                return
            try:
                sent = self._feed.send(self._begun + line)
            except (BlockingIOError, ConnectionError):
                # Full, or the child has died: ``alive`` says so, and the loop asks it.
                return
            of_line = sent - len(self._begun)
            self._begun = line[of_line:] if of_line > 0 else self._begun[sent:]

    def stop(self) -> None:
        """End the child; it leaves by itself when its feed ends."""
        if self._feed is not None:
            self._feed.close()
            self._feed = None
        if self._child is not None:
            self._child.join(_STOP_TIMEOUT_S)
            self._child.kill()
            self._child.join()

    def _listen(self) -> socket.socket:
        address = (self._health.health_host, self._health.health_port)
        try:
            return socket.create_server(address, backlog=_BACKLOG)
        except OSError as error:
            raise StartError(
                "health_port_unavailable",
                f"HEALTH_PORT {address[1]} cannot be opened.",
                exit_code=EX_UNAVAILABLE,
                detail=str(error),
            ) from error

    def _spawn(self, listener: socket.socket, feed: socket.socket) -> SpawnProcess:
        runtime = self._runtime
        settings = ChildSettings(
            runtime.service_version,
            runtime.log_level,
            runtime.log_format,
            runtime.in_ecs,
            self._metrics,
        )
        child = multiprocessing.get_context("spawn").Process(
            target=run, args=(settings, listener, feed), name="health", daemon=True
        )
        child.start()
        return child
