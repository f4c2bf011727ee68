"""A throw-away PostgreSQL cluster with PostGIS, for the demo and the tests."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from worker.demo.process import Helper, free_port

_SUPERUSER = "postgres"
_HAS_STRATEGY = 150_000  # server_version_num of PostgreSQL 15
_PREFIXES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
# Nothing here has to survive a crash, so nothing waits for a disk.
_THROW_AWAY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "autovacuum_naptime": "10s",
    "timezone": "UTC",
    "log_min_messages": "warning",
}


class PostgisMissing(Exception):
    """No PostgreSQL server with the PostGIS extension was found on this machine."""

    def __init__(self) -> None:
        super().__init__(
            "PostgreSQL with PostGIS was not found. `make bootstrap` installs it where it can; "
            "otherwise install it (Debian: postgresql-15-postgis-3, Homebrew: postgis), or set "
            "DATABASE_URL to a PostGIS server of your own."
        )


class DatabaseServer:
    """Makes and drops databases on a PostgreSQL server that we may administer."""

    def __init__(self, admin_url: str) -> None:
        self._admin_url = admin_url

    def url(self, database: str) -> str:
        """postgresql:// URL of ``database``."""
        return re.sub(r"(?<=[^/:]/)[^/?]*(?=\?|$)", database, self._admin_url, count=1)

    def create_database(self, name: str, template: str | None = None) -> str:
        """Create ``name``, as a copy of ``template`` if given; returns its URL.

        A template that has connections cannot be copied.
        """
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        with self._connect() as connection:
            if template:
                statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
                if connection.info.server_version >= _HAS_STRATEGY:
                    # Copies files instead of logging every page: twice as fast here.
                    statement += sql.SQL(" STRATEGY file_copy")
            connection.execute(statement)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop ``name`` if it exists, ending whatever is still connected to it."""
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        with self._connect() as connection:
            connection.execute(statement)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self._admin_url, autocommit=True)


class EmbeddedPostgis(DatabaseServer):
    """A cluster of our own on a free loopback port; use as a context manager.

    It ends with the context, or with this process, whichever is first. ``keep_in``: directory of a
    cluster that stays after the end and is used again; without it, a temporary one is removed.
    Raises PostgisMissing, and HelperFailed with the server's log if it does not start.
    """

    def __init__(self, *, keep_in: Path | None = None) -> None:
        self._bin = find_binaries()
        self._user = _unprivileged_user()
        self._throw_away = keep_in is None
        self.home = keep_in or Path(tempfile.mkdtemp(prefix="nrf-postgis-"))
        self.port = free_port()
        super().__init__(f"postgresql://{_SUPERUSER}@127.0.0.1:{self.port}/postgres")
        self._server: Helper | None = None

    def __enter__(self) -> Self:
        data = self.home / "data"
        if not (data / "PG_VERSION").exists():
            self._initialise(data)
        settings = {
            **_THROW_AWAY,
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.home),
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._server = Helper(
            [str(self._bin / "postgres"), "-D", str(data), *flags],
            log=self.home / "postgres.log",
            stop_signal="SIGINT",  # PostgreSQL's fast shutdown: disconnects clients
            user=self._user,
            remove=self.home if self._throw_away else None,
        )
        try:
            self._server.wait_until(self._accepts_connections)
        except BaseException:
            self._server.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.stop()

    def _initialise(self, data: Path) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        if self._user:
            shutil.chown(self.home, self._user)
        finished = subprocess.run(
            [
                *(str(self._bin / "initdb"), "-D", str(data), "-U", _SUPERUSER),
                *("--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.home,
            user=self._user,
            group=pwd.getpwnam(self._user).pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
        )
        if finished.returncode != 0:
            raise RuntimeError(f"initdb failed:\n{finished.stdout}{finished.stderr}")

    def _accepts_connections(self) -> bool:
        with suppress(psycopg.OperationalError):
            psycopg.connect(self._admin_url, connect_timeout=2).close()
            return True
        return False


def find_binaries() -> Path:
    """Directory of the newest PostgreSQL that has PostGIS installed; raises PostgisMissing."""
    for directory in _candidates():
        if (directory / "initdb").exists() and _has_postgis(directory):
            return directory
    raise PostgisMissing


def _candidates() -> Iterator[Path]:
    on_path = shutil.which("initdb")
    if on_path:
        yield Path(on_path).resolve().parent
    found = [
        path for prefix in _PREFIXES for path in Path("/").glob(prefix.lstrip("/")) if path.is_dir()
    ]
    yield from sorted(found, key=_version_in, reverse=True)


def _version_in(path: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", str(path)))


def _has_postgis(directory: Path) -> bool:
    finished = subprocess.run(
        [str(directory / "pg_config"), "--sharedir"], capture_output=True, text=True, check=False
    )
    return (Path(finished.stdout.strip()) / "extension" / "postgis.control").exists()


def _unprivileged_user() -> str | None:
    """Who runs the server: PostgreSQL refuses to be root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise RuntimeError("PostgreSQL does not run as root, and there is no user to run it as")
