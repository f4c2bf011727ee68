"""What becomes of a message: the runner says it, the consumer carries it out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from worker.errors import WorkerError


class Action(StrEnum):
    """What the consumer does with the message."""

    DELETE = "delete"
    RELEASE = "release"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a message is settled.

    ``delay_s``: how long a released message stays invisible. ``fault``: why every job would fail,
    so that polling pauses. ``wedged``: work goes on in a thread that does not let go, so the
    process has to end. ``failed``: the job has failed for good, so the dead-letter queue is where
    the message belongs.
    """

    action: Action
    delay_s: float = 0.0
    fault: WorkerError | None = None
    wedged: bool = False
    failed: bool = False


DELETE = Verdict(Action.DELETE)
KEEP = Verdict(Action.KEEP)
RELEASE_AT_ONCE = Verdict(Action.RELEASE)
FAILED = Verdict(Action.RELEASE, failed=True)
