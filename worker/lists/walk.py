"""One list after the other, each on its own: locked, handled, and counted if it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from worker.clients.db import Connection, translated
from worker.errors import DependencyDown, Interrupted, TransientError, WorkerError
from worker.lists import store
from worker.logs import logger, redact

_log = logger(__name__)

_PROGRESS_EVERY = 20
# Not one list's affair: the tables are not there, or not for us.
EVERY_LIST = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.InsufficientPrivilege,
)


@dataclass(frozen=True, slots=True)
class Problem:
    """A list that a run could not handle, and why; ``code`` is stable."""

    list_id: int
    code: str


class ListSkipped(WorkerError):
    """What is stored about a list can't be worked with: trying again will not help."""


@dataclass
class Walk:
    """How far a run has come; ``skipped`` has data that nobody can work with."""

    handled: int = 0
    skipped: list[Problem] = field(default_factory=list)
    failed: list[Problem] = field(default_factory=list)

    def raise_for_failures(self) -> None:
        """Raise TransientError ``review_lists_failed`` naming the lists that have to be retried."""
        if self.failed:
            raise TransientError(
                "review_lists_failed",
                f"{len(self.failed)} lists could not be handled.",
                detail=", ".join(f"list {one.list_id}: {one.code}" for one in self.failed),
            )


def walk(
    connection: Connection,
    ids: Sequence[int],
    handle: Callable[[int], None],
    checkpoint: Callable[[], None],
) -> Walk:
    """Call ``handle`` for each list while no other run works on it.

    A list that another run has locked comes last and is waited for: that run may be one for an
    earlier day. One that fails is reported and the others go on. Raises what concerns every list:
    the database is away, its tables are missing, the run has to stop.
    """
    done = Walk()
    busy: list[int] = []
    for number, list_id in enumerate(ids, start=1):
        checkpoint()
        if number % _PROGRESS_EVERY == 0:
            _log.info("review.progress", lists_done=number - 1, lists=len(ids))
        if store.try_lock(connection, list_id):
            _one(connection, list_id, handle, done)
        else:
            busy.append(list_id)
    for list_id in busy:
        checkpoint()
        _log.info("review.list_busy", list_id=list_id)
        with _reported(list_id, done):
            store.wait_for_lock(connection, list_id)
            _one(connection, list_id, handle, done)
    return done


def _one(connection: Connection, list_id: int, handle: Callable[[int], None], done: Walk) -> None:
    try:
        with _reported(list_id, done):
            handle(list_id)
            done.handled += 1
    finally:
        if not connection.closed:
            store.unlock(connection, list_id)


@contextmanager
def _reported(list_id: int, done: Walk) -> Iterator[None]:
    try:
        with translated():
            yield
    except (*EVERY_LIST, DependencyDown, Interrupted):
        raise
    except ListSkipped as error:
        _report(list_id, error)
        done.skipped.append(Problem(list_id, error.code))
    except WorkerError as error:
        _report(list_id, error)
        done.failed.append(Problem(list_id, error.code))
    except psycopg.Error as error:
        refused = TransientError(
            "list_query_failed",
            "The database refused a query about the list.",
            detail=redact(str(error).partition("\n")[0]),
        )
        _report(list_id, refused)
        done.failed.append(Problem(list_id, refused.code))


def _report(list_id: int, error: WorkerError) -> None:
    _log.error(
        "review.list_failed",
        list_id=list_id,
        error_code=error.code,
        error_sentence=error.sentence,
        error_detail=error.detail,
    )
