"""What operators do with loaded versions: activate, roll back, prune."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from psycopg.rows import class_row

from worker.clients.db import Connection
from worker.errors import ReferenceDataError
from worker.logs import logger
from worker.reference import staging
from worker.reference.checks import Finding, Severity, refuse_errors
from worker.reference.cross_checks import VersionTable, cross_findings
from worker.reference.inventory import list_versions
from worker.reference.layers import BY_NAME
from worker.reference.lock import only_change
from worker.reference.staging import StagedTables
from worker.reference.switch import Action, Cause, switch
from worker.reference.versions import active_versions
from worker.sqlfiles import statement

# Longer than it takes to claim a job, and than most assessments on the command line.
PRUNE_GRACE_S = 600.0


@dataclass(frozen=True, slots=True)
class Switched:
    """Versions that are active now, by layer, and what the layers say of each other."""

    versions: Mapping[str, int]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class PrunableVersion:
    """A version whose rows nobody needs any more."""

    layer: str
    version: int
    label: str
    row_count: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _LastSwitch:
    """The last switch that moved a layer, and where the layer's pointer is today."""

    layer: str
    active_version: int | None
    version: int
    previous_version: int | None
    previous_status: str | None
    switch_id: int
    action: str


def activate(
    connection: Connection, wanted: Mapping[str, int], cause: Cause, *, forced: bool = False
) -> Switched:
    """Make ``wanted`` versions (by layer) active in one step; those that are stay untouched.

    Raises ReferenceDataError ``reference_version_unknown``, ReferenceChecksFailed if layers would
    not fit together and it is not ``forced``, TransientError ``reference_load_running``.
    """
    with only_change(connection):
        ready = {
            (one.layer, one.version) for one in list_versions(connection) if one.status == "ready"
        }
        unknown = [
            f"{name}={number}" for name, number in wanted.items() if (name, number) not in ready
        ]
        if unknown:
            raise ReferenceDataError(
                "reference_version_unknown",
                f"Not a loaded version: {', '.join(unknown)}. 'worker reference list' shows them.",
            )
        return _switch(connection, wanted, Action.ACTIVATE, cause, forced=forced)


def activate_label(
    connection: Connection, label: str, cause: Cause, *, forced: bool = False
) -> Switched:
    """Make the newest version with ``label`` of every layer that has one active; as ``activate``.

    Raises ReferenceDataError ``reference_label_unknown``, and as ``activate`` does.
    """
    with only_change(connection):
        # Newest first, so the newest of a layer is the one that stays.
        found = {
            one.layer: one.version
            for one in reversed(list_versions(connection))
            if one.label == label and one.status == "ready"
        }
        if not found:
            raise ReferenceDataError(
                "reference_label_unknown",
                f"No loaded version is labelled {label!r}. 'worker reference list' shows the"
                " labels.",
            )
        return _switch(connection, found, Action.ACTIVATE, cause, forced=forced)


def roll_back(
    connection: Connection, layers: Collection[str], cause: Cause, *, forced: bool = False
) -> Switched:
    """Undo the last switch: all of its layers, or of ``layers`` the last switch of each.

    A rollback is not rolled back, so that two people who undo the same load do not undo each
    other. Raises ReferenceDataError ``rollback_impossible`` naming each layer and why, and as
    ``activate`` does.
    """
    with only_change(connection):
        with connection.cursor(row_factory=class_row(_LastSwitch)) as cursor:
            last = cursor.execute(statement(__package__, "last_switches")).fetchall()
        if layers:
            chosen = [one for one in last if one.layer in layers]
            reasons = [
                f"{name} was never loaded"
                for name in layers
                if name not in {c.layer for c in chosen}
            ]
        else:
            newest = max((one.switch_id for one in last), default=0)
            chosen = [one for one in last if one.switch_id == newest]
            reasons = [] if chosen else ["nothing was loaded yet"]
        reasons += filter(None, map(_why_not_back, chosen))
        if reasons:
            raise ReferenceDataError(
                "rollback_impossible",
                f"There is no way back: {'; '.join(reasons)}. Name the versions you want with"
                " 'worker reference activate'.",
            )
        previous = {
            one.layer: one.previous_version for one in chosen if one.previous_version is not None
        }
        return _switch(connection, previous, Action.ROLLBACK, cause, forced=forced)


def prunable(
    connection: Connection, *, keep: int, grace_s: float = PRUNE_GRACE_S
) -> list[PrunableVersion]:
    """Versions that ``prune`` would drop: not needed, and not among the newest ``keep``."""
    with connection.cursor(row_factory=class_row(PrunableVersion)) as cursor:
        return cursor.execute(
            statement(__package__, "prunable_versions"), {"keep": keep, "grace_s": grace_s}
        ).fetchall()


def prune(
    connection: Connection, *, keep: int, grace_s: float = PRUNE_GRACE_S
) -> list[PrunableVersion]:
    """Drop the rows of what is ``prunable``, one version at a time; what was dropped.

    A version that somebody is reading is waited for briefly: raises TransientError
    ``database_timeout`` (what was dropped stays dropped), and ``reference_load_running``.
    """
    with only_change(connection):
        dropped = prunable(connection, keep=keep, grace_s=grace_s)
        for one in dropped:
            with connection.transaction():
                # While a drop waits, everybody who opens the layer waits behind it.
                connection.execute("SET LOCAL lock_timeout = '3s'")
                staging.drop(connection, StagedTables(BY_NAME[one.layer], one.version))
                connection.execute(
                    statement(__package__, "mark_pruned"),
                    {"layer": one.layer, "version": one.version},
                )
            logger(__name__).info("reference.pruned", layer=one.layer, version=one.version)
    return dropped


def _switch(
    connection: Connection,
    wanted: Mapping[str, int],
    action: Action,
    cause: Cause,
    *,
    forced: bool,
) -> Switched:
    active = active_versions(connection).layers
    changed = {
        name: number
        for name, number in wanted.items()
        if name not in active or active[name].version != number
    }
    if not changed:
        return Switched({})
    after = {name: one.version for name, one in active.items()} | changed
    tables = {name: VersionTable(name, number) for name, number in after.items()}
    findings = cross_findings(connection, tables)
    refuse_errors(findings, forced=forced)
    if action is Action.ACTIVATE and any(one.severity is Severity.ERROR for one in findings):
        action = Action.FORCED
    with connection.transaction():
        switch(connection, changed, action, cause)
    logger(__name__).info(
        "reference.switched",
        action=action,
        made_by=cause.made_by,
        reason=cause.reason,
        versions=changed,
    )
    return Switched(changed, tuple(findings))


def _why_not_back(last: _LastSwitch) -> str | None:
    if last.action == Action.ROLLBACK:
        return f"{last.layer} was rolled back already, to version {last.version}"
    if last.active_version != last.version:
        return f"{last.layer} has moved to version {last.active_version} outside the history"
    if last.previous_version is None:
        return f"{last.layer} had no version before {last.version}"
    if last.previous_status != "ready":
        return f"version {last.previous_version} of {last.layer} was pruned"
    return None
