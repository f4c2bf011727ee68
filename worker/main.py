"""Composition root of the daemon: settings, logs, health process, consumer, exit codes."""

from __future__ import annotations

import gc
import os
import socket
from contextlib import ExitStack

from worker import logs
from worker.errors import EX_SOFTWARE, ConfigurationError, StartError
from worker.health import HealthProcess
from worker.progress import Phase, Progress
from worker.settings import RuntimeSettings, Settings
from worker.shutdown import StopSignal

_log = logs.logger(__name__)
_START_LIMIT_S = 120.0


def main() -> int:
    """Run the daemon until it is told to stop; returns the exit code (see ``worker.errors``)."""
    logs.configure(RuntimeSettings.model_construct())
    try:
        settings = Settings.load()
        logs.configure(settings.runtime)
        problems = settings.problems_for_run()
        if problems:
            raise ConfigurationError(problems)
        stop = StopSignal(settings.worker.worker_graceful_shutdown_timeout)
        stop.install()
        code = _run(settings, stop)
    except ConfigurationError as error:
        for problem in error.problems:
            _log.critical("worker.not_started", error_code=error.code, problem=problem)
        code = error.exit_code
    except StartError as error:
        _log.critical(
            "worker.not_started",
            error_code=error.code,
            error_sentence=error.sentence,
            error_detail=error.detail,
        )
        code = error.exit_code
    except Exception:  # noqa: BLE001 - the edge of the process: logged, then exit code 70
        _log.critical("worker.crashed", exc_info=True)
        code = EX_SOFTWARE
    _log.info("worker.stopped", exit_code=code)
    return code


def _run(settings: Settings, stop: StopSignal) -> int:
    with ExitStack() as stack:
        # First, so that the child starts up while this process imports the rest.
        health = HealthProcess(settings.health, settings.runtime)
        health.start()
        stack.callback(health.stop)
        health.report(Progress(Phase.STARTING, _START_LIMIT_S))
        from worker.assembly import assemble

        consumer = assemble(settings, stop, health, worker_id(), stack)
        # What lives now lives for good: freezing it keeps full collections short.
        gc.collect()
        gc.freeze()
        _log.info("worker.started", worker_id=worker_id(), health_port=health.port)
        return consumer.run()


def worker_id() -> str:
    """Who holds a lease: host and process, unique among running workers."""
    return f"{socket.gethostname()}:{os.getpid()}"
