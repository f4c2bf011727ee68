"""Bring a database to the newest schema, and say where it stands.

The worker's own schema is one branch. The tables of a domain (``water``, ``lists``) are another
each, with a version table of its own: where another service owns them, its branch is never run.

Only ``upgrade`` needs alembic and SQLAlchemy. ``current`` and ``head`` run at each start of the
daemon, so they read one row and a few small files instead.
"""

from __future__ import annotations

import re
from pathlib import Path

import psycopg

from worker.errors import CommandRefused, DependencyDown
from worker.settings import Domain

_MIGRATIONS = Path(__file__).parent
_REVISION = re.compile(r'^(revision|down_revision) = "([^"]+)"', re.MULTILINE)
# Any constant does, as long as nothing else in this database locks the same one.
_UPGRADE_LOCK = 7_203_001
_OWN = "versions"


def upgrade(database_url: str) -> None:
    """Run every migration that ``database_url`` has not seen, in one transaction.

    A second run at the same time waits for the first one, then finds nothing to do. Raises
    DependencyDown if the database cannot be reached.
    """
    _upgrade(database_url, _OWN, "alembic_version")


def upgrade_domain(domain: Domain, database_url: str) -> None:
    """Make the tables of a domain in the database at ``database_url``, as ``upgrade`` does.

    For demo, tests and databases of our own. Raises CommandRefused ``schema_exists`` where the
    schema is there and was not made by these migrations: its owner migrates it.
    """
    with _connect(database_url) as connection:
        owned = connection.execute(
            "SELECT to_regnamespace(%s) IS NOT NULL AND to_regclass(%s) IS NULL",
            (domain, f"public.{_version_table(domain)}"),
        ).fetchone()
    if owned == (True,):
        raise CommandRefused(
            "schema_exists",
            f"The schema {domain} is there already and was not made by this worker.",
        )
    _upgrade(database_url, f"{domain}/versions", _version_table(domain))


def _version_table(domain: Domain) -> str:
    return f"alembic_version_{domain}"


def _upgrade(database_url: str, branch: str, version_table: str) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(_MIGRATIONS / branch).replace("%", "%%"))
    config.attributes["version_table"] = version_table
    # A creator, since libpq accepts more forms of a URL than SQLAlchemy does.
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: _connect(database_url), poolclass=NullPool
    )
    with engine.begin() as connection:
        # Waits for another upgrade as long as that takes, whatever the connection's own limit is.
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _UPGRADE_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def current(database_url: str) -> str | None:
    """The revision of the database; None if it was never migrated.

    Raises DependencyDown if the database cannot be reached.
    """
    with _connect(database_url) as connection:
        return current_of(connection)


def current_of(connection: psycopg.Connection) -> str | None:
    """The revision of the connected database; None if it was never migrated."""
    known = connection.execute("SELECT to_regclass('public.alembic_version')").fetchone()
    if known is None or known[0] is None:
        return None
    row = connection.execute("SELECT version_num FROM public.alembic_version").fetchone()
    return None if row is None else str(row[0])


def head() -> str:
    """The newest revision that this code knows: the one that no other builds on."""
    revisions: set[str] = set()
    built_on: set[str] = set()
    for file in (_MIGRATIONS / _OWN).glob("[0-9]*.py"):
        for kind, revision in _REVISION.findall(file.read_text(encoding="utf-8")):
            (revisions if kind == "revision" else built_on).add(revision)
    (newest,) = revisions - built_on
    return newest


def _connect(database_url: str) -> psycopg.Connection:
    try:
        return psycopg.connect(database_url)
    except psycopg.OperationalError as error:
        raise DependencyDown(
            "database_unavailable", "The database cannot be reached.", detail=str(error).strip()
        ) from error
