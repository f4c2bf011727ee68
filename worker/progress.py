"""The shared progress record: what the loop tells the health process through a pipe."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """What the loop is doing; each phase has its own limit without progress."""

    STARTING = "starting"
    WAITING = "waiting"
    POLLING = "polling"
    WORKING = "working"
    DELIVERING = "delivering"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Progress:
    """One report of the loop.

    ``limit_s``: seconds this phase may last until the next report; after them the loop counts as
    stuck. ``polled``: whether a poll has just returned. ``job``: the job's key, never its content.
    """

    phase: Phase
    limit_s: float
    polled: bool = False
    job: str | None = None
    job_type: str | None = None
