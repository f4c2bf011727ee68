"""Message move tasks of the SQS double: dead letters on their way to a queue, at a pace."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from uuid import uuid4

from tests.fakes.sqs_queue import Queue

# AWS chooses a pace of its own where none is given; this is the most that may be asked for.
MAX_PER_S = 500


@dataclass(eq=False)
class MoveTask:
    """One task; the broker calls ``due`` and moves as many."""

    source: Queue
    destination_arn: str | None
    per_s: int | None
    started_at: float
    to_move: int
    handle: str = ""
    moved: int = 0
    status: str = "RUNNING"
    failure: str | None = None

    def __post_init__(self) -> None:
        text = json.dumps({"taskId": str(uuid4()), "sourceArn": self.source.arn})
        self.handle = base64.b64encode(text.encode()).decode()

    @property
    def running(self) -> bool:
        return self.status == "RUNNING"

    def due(self, now: float) -> int:
        """How many more messages should have been moved by now."""
        return int((now - self.started_at) * self._pace) - self.moved

    def next_at(self) -> float:
        """When the next message is due."""
        return self.started_at + (self.moved + 1) / self._pace

    @property
    def _pace(self) -> int:
        return self.per_s or MAX_PER_S
