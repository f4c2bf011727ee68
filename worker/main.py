"""Composition root of the daemon: settings, logs, health process, consumer, exit codes."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from worker import logs, metrics, network
from worker.errors import EX_SOFTWARE, ConfigurationError, StartError
from worker.health import HealthProcess
from worker.progress import Phase, Progress
from worker.settings import EcsSettings, RuntimeSettings, Settings, truststore
from worker.shutdown import StopSignal

if TYPE_CHECKING:
    from worker.assembly import Parts
    from worker.consumer import Consumer, Idle

_log = logs.logger(__name__)
_START_LIMIT_S = 120.0


def main(*, drain: bool = False, max_idle_s: float | None = None) -> int:
    """Run the daemon until it is told to stop; returns the exit code (see ``worker.errors``).

    ``drain``: end, with 0, after the first poll that brings nothing. ``max_idle_s``: end, with 0,
    when no message has come for so long, whatever the reason. Either makes this a task that was
    started for itself, which asks for no protection.
    """

    def enough(idle: Idle) -> bool:
        drained = drain and idle.empty_polls > 0
        return drained or (max_idle_s is not None and idle.seconds >= max_idle_s)

    def consumer(parts: Parts) -> Consumer:
        from worker.assembly import assemble, sqs_source

        return assemble(parts, sqs_source, enough=enough)

    def daemon(settings: Settings) -> int:
        if drain or max_idle_s is not None:
            settings = unprotected(settings)
        refuse(settings.problems_for_run())
        return supervised(settings, stop_signal(settings), consumer)

    return guarded(daemon)


def guarded(run: Callable[[Settings], int]) -> int:
    """Run with the settings and JSON logs; whatever goes wrong becomes a line and an exit code."""
    logs.configure(RuntimeSettings.model_construct())
    try:
        settings = Settings.load()
        logs.configure(settings.runtime, observers=metrics.observers(_target(settings)))
        way_out = network.prepare(settings.network, settings.ecs, truststore())
        if way_out.http_proxy or way_out.https_proxy or way_out.certificates:
            _log.info(
                "network.prepared",
                http_proxy=way_out.http_proxy,
                https_proxy=way_out.https_proxy,
                certificates=way_out.certificates,
            )
        code = run(settings)
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


def refuse(problems: tuple[str, ...]) -> None:
    """Raise ConfigurationError if there is any problem."""
    if problems:
        raise ConfigurationError(problems)


def unprotected(settings: Settings) -> Settings:
    """The settings of a task that belongs to no service: only a service's can be protected."""
    return replace(settings, ecs=settings.ecs.model_copy(update={"ecs_agent_uri": ""}))


def stop_signal(settings: Settings) -> StopSignal:
    """The flag that SIGTERM and SIGINT set from now on."""
    stop = StopSignal(settings.worker.worker_graceful_shutdown_timeout)
    stop.install()
    return stop


def supervised(
    settings: Settings, stop: StopSignal, consumer_of: Callable[[Parts], Consumer]
) -> int:
    """Run a consumer beside its health process; returns the loop's exit code."""
    with ExitStack() as stack:
        # First, so that the child starts up while this process imports the rest.
        health = HealthProcess(settings.health, settings.runtime, _target(settings))
        health.start()
        stack.callback(health.stop)
        health.report(Progress(Phase.STARTING, _START_LIMIT_S))
        from worker.assembly import Parts

        name = worker_id(settings.ecs)
        consumer = consumer_of(Parts(settings, stop, health, name, stack))
        # What lives now lives for good: freezing it keeps full collections short.
        gc.collect()
        gc.freeze()
        _log.info("worker.started", worker_id=name, health_port=health.port)
        return consumer.run()


def _target(settings: Settings) -> metrics.Target | None:
    if not settings.metrics_on:
        return None
    named = settings.metrics
    return metrics.Target(named.aws_emf_namespace, named.aws_emf_service_name)


def worker_id(ecs: EcsSettings) -> str:
    """Who holds a lease, unique among running workers: task and container, or host and process."""
    if ecs.ecs_container_metadata_uri_v4:
        from worker.clients.ecs import task_name

        name = task_name(ecs.ecs_container_metadata_uri_v4)
        if name is not None:
            return name
    return f"{socket.gethostname()}:{os.getpid()}"
