"""Connections to the tables of a domain (``water``, ``lists``), which another service may own.

They may be in our database or in one of their own. A scheduled job runs once a day, so no
connection is kept between jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg import IsolationLevel
from psycopg.conninfo import make_conninfo

from worker.clients.db import Connection, conninfo_of, translated
from worker.clients.rds import rds_tokens
from worker.errors import DependencyDown, TablesUnusable, TransientError
from worker.settings import Domain, Settings

# Longer than the single statement of one job, so that its second copy need not come back later.
LOCK_WAIT_S = 3.0


class DomainDatabase:
    """Opens connections to the database of one domain; each is closed at the end of its block.

    Errors are those of ``worker.clients.db.translated``, but for these:
    tables or columns that are not there: TablesUnusable ``<domain>_tables_missing``;
    no right to use them: TablesUnusable ``<domain>_access_denied``;
    a database that is away: TransientError ``<domain>_database_unavailable``. It is no
    DependencyDown, because the probe before each poll does not watch it: the attempt has to
    count, or its message would wander to the dead-letter queue without a verdict.
    """

    def __init__(self, domain: Domain, conninfo: Callable[[], str]) -> None:
        self.domain = domain
        self._conninfo = conninfo

    def conninfo(self) -> str:
        """What a new connection is made with; it may hold a password, so never log it."""
        return self._conninfo()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection in UTC with our time limits; commits at the end, rolls back on an error."""
        with self._translated(), psycopg.connect(self._conninfo()) as connection:
            yield connection

    @contextmanager
    def read_only(self) -> Iterator[Connection]:
        """One transaction that sees one moment and that the server lets write nothing."""
        with self.connection() as connection:
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            try:
                yield connection
            finally:
                connection.rollback()

    @contextmanager
    def single_flight(
        self, name: str, *, wait_s: float = 0.0, retry_after_s: float | None = None
    ) -> Iterator[Callable[[], None]]:
        """Nobody else is in a block of this name while ours runs.

        The lock is held by a connection of its own, so that the work may use any transactions;
        the server frees it when that connection ends. The block is given a function that raises
        if it has ended, for work that writes to another place than this database. Raises
        TransientError ``job_already_running`` if the lock is not free within ``wait_s`` seconds;
        ``retry_after_s`` says when it is worth another try.
        """
        with self.connection() as holder:
            holder.autocommit = True
            _lock(holder, name, wait_s, retry_after_s)

            def still_held() -> None:
                with self._translated():
                    holder.execute("SELECT 1")

            yield still_held

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            with translated():
                yield
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            raise TablesUnusable(
                f"{self.domain}_tables_missing",
                f"The {self.domain} database has not the tables that this job needs.",
                detail=error.diag.message_primary or "",
            ) from error
        except psycopg.errors.InsufficientPrivilege as error:
            raise TablesUnusable(
                f"{self.domain}_access_denied",
                f"The worker may not use the tables of the {self.domain} database.",
                detail=error.diag.message_primary or "",
            ) from error
        except DependencyDown as error:
            if error.code != "database_unavailable":
                raise
            raise TransientError(
                f"{self.domain}_database_unavailable",
                f"The {self.domain} database cannot be reached.",
                detail=error.detail,
            ) from error


def database_of(
    domain: Domain, settings: Settings, *, application_name: str = "nrf-worker"
) -> DomainDatabase:
    """The database of a domain: its own URL, or ours with IAM tokens if they are asked for.

    Raises ConfigurationError if its URL cannot be read; connects to nothing.
    """
    database = settings.database.of(domain)
    is_ours = database is settings.database
    variable = "DATABASE_URL" if is_ours else f"{domain.upper()}_DATABASE_URL"
    static = conninfo_of(database, application_name, variable=variable)
    if not database.db_iam_authentication:
        return DomainDatabase(domain, lambda: static)
    token = rds_tokens(database, settings.aws.aws_region)
    return DomainDatabase(domain, lambda: make_conninfo(static, password=token()))


def _lock(connection: Connection, name: str, wait_s: float, retry_after_s: float | None) -> None:
    milliseconds = str(max(1, round(wait_s * 1000)))
    connection.execute("SELECT set_config('lock_timeout', %s, false)", (milliseconds,))
    try:
        connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (f"nrf {name}",))
    except psycopg.errors.LockNotAvailable as error:
        raise TransientError(
            "job_already_running",
            "Another run of this job has not ended.",
            detail=name,
            retry_after_s=retry_after_s,
        ) from error
