"""One change of the reference data at a time: a load, a switch or a prune."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from worker.clients.db import Connection
from worker.errors import TransientError

# Any constant does, as long as nothing else in this database locks the same one.
_CHANGE_LOCK = 7_203_002
# A national data set takes a few minutes.
_RETRY_AFTER_S = 300.0


@contextmanager
def only_change(connection: Connection) -> Iterator[None]:
    """Hold the lock of all changes; each transaction inside is then its own.

    The server frees it when the connection ends, so a killed process leaves none behind. Raises
    TransientError ``reference_load_running``.
    """
    connection.autocommit = True
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_CHANGE_LOCK,)).fetchone()
    if row != (True,):
        raise TransientError(
            "reference_load_running",
            "The reference data of this database is being changed already. Wait for its end.",
            retry_after_s=_RETRY_AFTER_S,
        )
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_CHANGE_LOCK,))
