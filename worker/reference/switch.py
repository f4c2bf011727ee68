"""Moves the pointers of layers to other versions, all in one step and never without a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from worker.clients.db import Connection
from worker.sqlfiles import statement


class Action(StrEnum):
    """Why versions were switched; ``forced`` is a load or an activation in spite of checks."""

    LOAD = "load"
    FORCED = "forced"
    ACTIVATE = "activate"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Cause:
    """Who switches, and why in their own words; None if they gave no reason."""

    made_by: str
    reason: str | None = None


def switch(
    connection: Connection, versions: Mapping[str, int], action: Action, cause: Cause
) -> None:
    """Make ``versions`` (by layer) the active ones; the caller's transaction makes it one step."""
    (switch_id,) = connection.execute(
        statement(__package__, "begin_switch"),
        {"action": action, "reason": cause.reason, "made_by": cause.made_by},
    ).fetchall()[0]
    for layer, version in versions.items():
        connection.execute(
            statement(__package__, "activate_version"),
            {"switch_id": switch_id, "layer": layer, "version": version},
        )
