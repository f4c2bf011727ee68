"""Backend and Notify as the soak has them: themselves, but for a share of the requests."""

from __future__ import annotations

import random
from collections import Counter

from worker.demo.backend import FakeBackend
from worker.demo.fake_service import LOST_REPLY, Misbehaviour, Received, Reply, failing
from worker.demo.notify import FakeNotify, error

# Fault and share of the requests that meet it. A lost answer was carried out.
_BACKEND = (
    (failing(503), 0.02),
    (failing(500), 0.01),
    (failing(429, retry_after="1"), 0.005),
    (failing(401), 0.001),
    (LOST_REPLY, 0.01),
    (Misbehaviour(drop=True), 0.01),
    (Misbehaviour(delay_s=0.5), 0.01),
)
_NOTIFY = (
    (Misbehaviour(error(429, "RateLimitError", "Exceeded", {"retry-after": "1"})), 0.03),
    (Misbehaviour(error(500, "Exception", "Internal server error")), 0.02),
    (LOST_REPLY, 0.04),
    (Misbehaviour(drop=True), 0.02),
)


def effect(fault: Misbehaviour) -> str:
    """What a caller sees of it."""
    if fault.carry_out:
        return "answers lost"
    return "failed" if fault.drop or fault.reply is not None else "delayed"


class Chances:
    """Draws what happens to a request, until it is told that all is well.

    ``drawn``: how often each effect was.
    """

    def __init__(self, faults: tuple[tuple[Misbehaviour, float], ...], seed: int) -> None:
        self._faults, self._chance = faults, random.Random(seed)
        self.on = True
        self.drawn: Counter[str] = Counter()

    def draw(self) -> Misbehaviour | None:
        left = self._chance.random()
        for fault, share in self._faults if self.on else ():
            left -= share
            if left < 0:
                self.drawn[effect(fault)] += 1
                return fault
        return None


class SoakBackend(FakeBackend):
    """The backend with faults drawn from ``chances``."""

    def __init__(self, seed: int) -> None:
        super().__init__(accepts_empty_edps=False)
        self.chances = Chances(_BACKEND, seed)

    def handle(self, request: Received) -> Reply | None:
        fault = self.chances.draw()
        if fault is not None:
            self.misbehave(fault)
        return super().handle(request)


class SoakNotify(FakeNotify):
    """Notify with faults drawn from ``chances``."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.chances = Chances(_NOTIFY, seed)

    def handle(self, request: Received) -> Reply | None:
        fault = self.chances.draw()
        if fault is not None:
            self.misbehave(fault)
        return super().handle(request)
