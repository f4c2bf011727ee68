"""A clock that only a test turns."""

from __future__ import annotations


class Clock:
    """Seconds on no particular scale; ``now`` may be set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now
