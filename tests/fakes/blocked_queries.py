"""Queries of the real worker that wait for a lock in PostgreSQL, and their end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg

from tests.fakes.environment import Environment


@contextmanager
def computing_blocked(environment: Environment) -> Iterator[ExitStack]:
    """The assessment waits, in PostgreSQL, until the block ends or what it yields is closed."""
    with ExitStack() as lock:
        connection = lock.enter_context(psycopg.connect(environment.database_url))
        connection.execute("LOCK TABLE reference.nn_catchments_parts IN ACCESS EXCLUSIVE MODE")
        yield lock


def told_to_blocked(environment: Environment, function: str) -> int:
    """How many queries of the worker that wait for a lock were told to end."""
    with psycopg.connect(environment.database_url) as connection:
        rows = connection.execute(
            f"SELECT {function}(pid) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()".encode()
        ).fetchall()
    return len(rows)
