"""The poll loop around a runner of a test's own, without the rest of a worker."""

from __future__ import annotations

import time
from collections.abc import Callable

from worker.clients.ecs import TaskProtection
from worker.consumer import Consumer, Handles, MessageQueue
from worker.queue.keeper import Keeper
from worker.readiness import Gate, Probe
from worker.settings import Settings
from worker.shutdown import StopSignal


def consumer(
    queue: MessageQueue,
    runner: Handles,
    keeper: Keeper,
    stop: StopSignal,
    clock: Callable[[], float] = time.monotonic,
    *probes: Probe,
) -> Consumer:
    """With the settings of the environment; nothing but ``stop`` or a limit ends it."""
    return Consumer(
        Settings.load(),
        queue,
        runner,
        keeper,
        Gate(probes, lambda _: None, pause_s=1),
        TaskProtection("", longest_s=60),
        stop,
        report=lambda _: None,
        health_alive=lambda: True,
        renew_visibility=lambda *_: None,
        housekeeping=lambda: None,
        clock=clock,
    )
