"""What commands share: settings, a database and a console."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from worker import errors, logs, network
from worker.settings import Settings, truststore

if TYPE_CHECKING:
    from rich.console import Console

    from worker.clients.db import Database


def read_settings() -> Settings:
    """The settings; from here on, logs go to standard error."""
    settings = Settings.load()
    logs.configure(settings.runtime, stream="stderr")
    network.prepare(settings.network, settings.ecs, truststore())
    return settings


def console() -> Console:
    """Standard output; in a file or a pipe, where there is no width, tables stay unbroken."""
    from rich.console import Console

    # Without emoji: ids and bodies hold colons, and :key: would come out as one.
    return Console(emoji=False, width=None if sys.stdout.isatty() else 160)


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """The database; raises ConfigurationError if none is configured.

    DatabaseBehind if something in it that the migrations make is missing.
    """
    from psycopg import errors as postgres

    from worker.clients.db import Database

    missing = (
        postgres.InvalidSchemaName,
        postgres.UndefinedColumn,
        postgres.UndefinedObject,
        postgres.UndefinedTable,
    )

    if settings.database.database_url is None and not settings.database.db_host:
        raise errors.ConfigurationError(("DATABASE_URL is required",))
    with Database.from_settings(settings, application_name="nrf-worker-cli") as database:
        try:
            yield database
        except missing as error:
            raise errors.DatabaseBehind(str(error).partition("\n")[0]) from error
