"""PostgreSQL connections: a small checked pool, and one place where its errors become ours.

SQLAlchemy is not imported here: commands and the daemon start faster without it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

from worker.clients.rds import TokenSource, rds_tokens
from worker.errors import (
    ConfigurationError,
    DependencyDown,
    TransientError,
    WorkerError,
)
from worker.logs import redact

if TYPE_CHECKING:
    from worker.settings import DatabaseSettings, Settings

Connection: TypeAlias = psycopg.Connection[TupleRow]

LOCK_TIMEOUT_S = 10
# Less than interrupted work is given to let go.
_CANCEL_LIMIT_S = 0.5
# The daemon works on one job: loop, keeper, sweep and the job itself are four users at most.
MAX_POOL_SIZE = 4

_LOCAL_HOSTS = frozenset({"", "localhost", "127.0.0.1", "::1"})
# A peer that vanishes without a word is noticed after 10 + 3 x 5 s when we wait for an answer and
# after 20 s when we have sent something; the kernel's own default is two hours.
_KEEPALIVE: dict[str, str] = {
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
# What the probe before each poll would meet too: no or no usable connection, a server that shuts
# down, too many connections, a standby. 25P03: the server has ended a transaction that was idle.
_AWAY = ("08", "57P", "53300", "25006", "25P03")
_LOCK_NOT_AVAILABLE = "55P03"
_SERIALIZATION = frozenset({"40001", "40P01"})
_UNAVAILABLE = "The database can't be reached."


class Database:
    """A pool of checked, writable connections to one database, in UTC and with time limits.

    ``token`` gives the password of each new connection when IAM authentication is on; a token is
    valid for 15 minutes, so it is never kept. Opening does not wait for the database.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        *,
        token: TokenSource | None = None,
        application_name: str = "nrf-worker",
        max_size: int = MAX_POOL_SIZE,
    ) -> None:
        if settings.db_iam_authentication and token is None:
            raise ConfigurationError(("DB_IAM_AUTHENTICATION is on but no token source was given",))
        self._static_conninfo = conninfo_of(settings, application_name)
        self._token = token if settings.db_iam_authentication else None
        self._connect_timeout_s = settings.db_connect_timeout_seconds
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            self.conninfo,
            min_size=1,
            max_size=max_size,
            open=True,
            name=application_name,
            check=_refuse_read_only,
            timeout=2 * self._connect_timeout_s,
            # The pool's own backoff doubles up to minutes; giving up early lets the next request
            # start afresh, so that recovery is noticed when the database is back.
            reconnect_timeout=self._connect_timeout_s,
            num_workers=2,
        )

    @classmethod
    def from_settings(cls, settings: Settings, *, application_name: str = "nrf-worker") -> Self:
        """The database of the settings, with IAM tokens from AWS if they are asked for."""
        token = None
        if settings.database.db_iam_authentication:
            token = rds_tokens(settings.database, settings.aws.aws_region)
        return cls(settings.database, token=token, application_name=application_name)

    @staticmethod
    def check_settings(settings: DatabaseSettings) -> None:
        """Raise ConfigurationError if no connection string can be made of them."""
        conninfo_of(settings, "check")

    @contextmanager
    def connection(self, timeout: float | None = None) -> Iterator[Connection]:
        """A pooled connection; commits at the end, rolls back on an error.

        ``timeout``: seconds to wait for one. Raises DependencyDown and TransientError as
        ``translated`` does.
        """
        with translated(), self._checked_out(timeout) as connection:
            try:
                yield connection
            except psycopg.errors.ReadOnlySqlTransaction:
                # After a failover this server will refuse every write: never reuse it.
                connection.close()
                raise

    @contextmanager
    def dedicated(self) -> Iterator[Connection]:
        """A connection outside the pool, for a job's thread or a command; closed at the end.

        Connects at once, so it says why when it can't; commits and rolls back as ``connection``.
        """
        with translated(), psycopg.connect(self.conninfo()) as connection:
            yield connection

    def probe(self) -> None:
        """Ask whether the database answers and can be written to; raises DependencyDown."""
        with self.connection(timeout=self._connect_timeout_s) as connection:
            connection.execute("SELECT 1")

    def close(self) -> None:
        """Close every connection of the pool."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def conninfo(self) -> str:
        """What a new connection is made with; it may hold a password, so never log it."""
        if self._token is None:
            return self._static_conninfo
        return make_conninfo(self._static_conninfo, password=self._token())

    @contextmanager
    def _checked_out(self, timeout: float | None) -> Iterator[Connection]:
        try:
            connection = self._pool.getconn(timeout)
        except PoolTimeout as error:
            raise DependencyDown(
                "database_unavailable", _UNAVAILABLE, detail=self._why_not()
            ) from error
        try:
            with connection:
                yield connection
        finally:
            self._pool.putconn(connection)

    def _why_not(self) -> str:
        """What a fresh attempt to connect says; the pool itself only says that time is up."""
        try:
            # Two seconds are the shortest limit that libpq accepts.
            psycopg.connect(make_conninfo(self.conninfo(), connect_timeout=2)).close()
        except psycopg.OperationalError as error:
            return _first_line(error)
        except WorkerError as error:
            return error.detail
        return "every connection of the pool is in use"


def cancel(connection: Connection) -> None:
    """Ask the server to end the query that runs on ``connection``, for half a second at most.

    ``Connection.cancel`` would wait for the server without a limit, and every thread with it,
    since libpq then holds the interpreter's lock. Raises DependencyDown ``database_unavailable``
    if the server does not take the request.
    """
    with translated():
        connection.cancel_safe(timeout=_CANCEL_LIMIT_S)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what psycopg raises into our errors, by SQLSTATE.

    Connection lost or refused, server shutting down, or read-only after a failover (25006):
    DependencyDown ``database_unavailable``. Statement or lock timeout: TransientError
    ``database_timeout``. Deadlock or serialization failure: TransientError ``database_conflict``.
    A statement that was cancelled, by us or by an administrator: TransientError
    ``query_cancelled``. A statement for which memory, disk or another limit of a server that
    answers does not suffice: TransientError ``database_failed``. It is no DependencyDown, because
    one job's data may be the reason and no probe sees it: the attempt has to count. Anything else
    passes unchanged.
    """
    try:
        yield
    except psycopg.Error as error:
        ours = _translate(error)
        if ours is None:
            raise
        raise ours from error


def conninfo_of(
    settings: DatabaseSettings, application_name: str, *, variable: str = "DATABASE_URL"
) -> str:
    """What a new connection is made with, but for a token; it may hold a password.

    Raises ConfigurationError naming ``variable`` if the URL cannot be read.
    """
    return make_conninfo(**_parameters(settings, application_name, variable))


def _parameters(settings: DatabaseSettings, application_name: str, variable: str) -> dict[str, str]:
    """libpq's parameters for every new connection, as text."""
    if settings.database_url is not None:
        parameters = _from_url(settings.database_url.get_secret_value(), variable)
    else:
        parameters = {
            "host": settings.db_host,
            "port": str(settings.db_port),
            "dbname": settings.db_name,
            "user": settings.db_user,
        }
        if settings.db_password is not None:
            parameters["password"] = settings.db_password.get_secret_value()
    host = parameters.get("host", "")
    is_local = host in _LOCAL_HOSTS or host.startswith("/")
    if "db_sslmode" in settings.model_fields_set or not is_local:
        parameters.setdefault("sslmode", settings.db_sslmode)
    if settings.db_sslrootcert:
        parameters.setdefault("sslrootcert", settings.db_sslrootcert)
    limits = (
        f"-c statement_timeout={math.ceil(settings.db_statement_timeout_seconds * 1000)}"
        f" -c lock_timeout={LOCK_TIMEOUT_S * 1000}"
        " -c TimeZone=UTC"
        # The planner overrates spatial conditions so much that compiling starts to cost more
        # (10 ms and up) than the indexed queries themselves.
        " -c jit=off"
    )
    return {
        **_KEEPALIVE,
        **parameters,
        "options": f"{parameters.get('options', '')} {limits}".strip(),
        "connect_timeout": str(settings.db_connect_timeout_seconds),
        "application_name": application_name,
        # A standby that answers under the writer's name after a failover is refused on connect.
        "target_session_attrs": "read-write",
    }


def _from_url(url: str, variable: str) -> dict[str, str]:
    try:
        return {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except psycopg.Error:
        # libpq quotes the part that it can't read, which may be the password.
        raise ConfigurationError(
            (f"{variable} can't be read: expected postgresql://user:password@host:port/name",)
        ) from None


def _refuse_read_only(connection: Connection) -> None:
    """Fail on a dead connection and on one whose server turned into a standby."""
    row = connection.execute("SHOW transaction_read_only").fetchone()
    connection.rollback()
    if row is None or row[0] != "off":
        # The pool keeps a connection that fails its check unless it is closed.
        connection.close()
        raise psycopg.errors.ReadOnlySqlTransaction("the session is read-only")


def _translate(error: psycopg.Error) -> WorkerError | None:
    state = error.sqlstate or ""
    detail = _first_line(error)
    if isinstance(error, psycopg.errors.QueryCanceled):
        # The same SQLSTATE stands for our own cancel; the text is the only difference.
        if "user request" in detail:
            return TransientError("query_cancelled", "A query was cancelled.", detail=detail)
        return TransientError("database_timeout", "A query took too long.", detail=detail)
    if state == _LOCK_NOT_AVAILABLE:
        return TransientError("database_timeout", "A lock was not free in time.", detail=detail)
    if state in _SERIALIZATION:
        return TransientError("database_conflict", "Two transactions collided.", detail=detail)
    operational = isinstance(error, psycopg.OperationalError)
    if state.startswith(_AWAY) or (operational and not state):
        return DependencyDown("database_unavailable", _UNAVAILABLE, detail=detail)
    if operational:
        return TransientError(
            "database_failed", "The database could not carry out a query.", detail=detail
        )
    return None


def _first_line(error: psycopg.Error) -> str:
    return redact(str(error).partition("\n")[0])
