"""Connections to PostgreSQL: settings of a session, and how trouble is told apart."""

from __future__ import annotations

import logging
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.fakes.clients import database_settings
from worker.clients.db import Database, translated
from worker.clients.rds import rds_tokens
from worker.errors import ConfigurationError, DependencyDown, TransientError
from worker.settings import DatabaseSettings

SORT = "SELECT count(*) FROM (SELECT i FROM generate_series(1, 100000) i ORDER BY i DESC) sorted"


class _Mistake(Exception):
    """Raised by a test inside a block."""


def _insert_and_fail(opened: AbstractContextManager[psycopg.Connection]) -> None:
    with opened as connection:
        connection.execute("INSERT INTO kept VALUES (1)")
        raise _Mistake


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with Database(database_settings(database_url)) as made:
        yield made


def setting(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])


def test_a_session_has_our_limits_our_name_and_utc(database: Database, database_url: str) -> None:
    with psycopg.connect(database_url) as admin:
        name = sql.Identifier(admin.info.dbname)
        admin.execute(sql.SQL("ALTER DATABASE {} SET timezone = 'Asia/Tokyo'").format(name))
    for opened in (database.connection(), database.dedicated()):
        with opened as connection:
            assert setting(connection, "TimeZone") == "UTC"
            assert setting(connection, "statement_timeout") == "5s"
            assert setting(connection, "lock_timeout") == "10s"
            assert setting(connection, "application_name") == "nrf-worker"
            assert not connection.autocommit


def test_a_block_is_one_transaction(database: Database, database_url: str) -> None:
    with database.connection() as connection:
        connection.execute("CREATE TABLE kept (i int)")
    for opened in (database.connection(), database.dedicated()):
        with pytest.raises(_Mistake):
            _insert_and_fail(opened)
    with database.dedicated() as connection:
        connection.execute("INSERT INTO kept VALUES (3)")

    with psycopg.connect(database_url) as observer:
        assert observer.execute("SELECT i FROM kept").fetchall() == [(3,)]


def test_a_connection_that_was_cut_is_down_and_the_next_one_works(database: Database) -> None:
    with pytest.raises(DependencyDown) as raised, database.connection() as connection:
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert raised.value.code == "database_unavailable"
    with database.connection() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_connection_cut_while_idle_in_the_pool_is_never_handed_out(
    database: Database, database_url: str
) -> None:
    with database.connection() as connection:
        pid = connection.info.backend_pid
    with psycopg.connect(database_url) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))

    with database.connection() as connection:
        assert connection.info.backend_pid != pid


def test_a_database_that_is_not_there_is_down_within_the_limit_and_says_why() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"postgresql://worker:hunter2@127.0.0.1:{unused.getsockname()[1]}/nrf"
        with Database(database_settings(url)) as database:
            for attempt in (database.probe, database.dedicated().__enter__):
                with pytest.raises(DependencyDown, match="Connection refused") as raised:
                    attempt()
                assert "hunter2" not in "".join(traceback.format_exception(raised.value))


def test_a_database_that_returns_is_found_at_once(database_url: str) -> None:
    name = sql.Identifier(str(conninfo_to_dict(database_url)["dbname"]))
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    elsewhere = make_conninfo(database_url, dbname="postgres")
    with (
        psycopg.connect(elsewhere, autocommit=True) as admin,
        Database(database_settings(database_url, connect_timeout_s=1)) as database,
    ):
        database.probe()
        admin.execute(allow.format(name, sql.Literal(False)))
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            (conninfo_to_dict(database_url)["dbname"],),
        )
        # Long enough for a backoff that doubles to make a pause of several seconds.
        outage_ends = time.monotonic() + 4
        while time.monotonic() < outage_ends:
            with pytest.raises(DependencyDown, match="not currently accepting connections"):
                database.probe()
        admin.execute(allow.format(name, sql.Literal(True)))
        database.probe()


def test_a_used_up_pool_is_told_apart_from_an_absent_database(database_url: str) -> None:
    with (
        Database(database_settings(database_url), max_size=1) as database,
        database.connection(),
        pytest.raises(DependencyDown, match="in use"),
        database.connection(timeout=0.2),
    ):
        pass


def test_a_server_that_turned_read_only_is_down_until_it_takes_writes_again(
    database: Database, database_url: str
) -> None:
    with database.connection() as connection:
        connection.execute("CREATE TABLE written (i int)")
    with psycopg.connect(database_url, autocommit=True) as admin:
        name = sql.Identifier(admin.info.dbname)
        alter = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
        with pytest.raises(DependencyDown) as raised, database.connection() as connection:
            connection.execute("SET TRANSACTION READ ONLY; INSERT INTO written VALUES (1)")
        assert raised.value.code == "database_unavailable"
        admin.execute(alter.format(name, sql.Literal("on")))
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        with pytest.raises(DependencyDown, match="read-only"):
            database.probe()
        admin.execute("SET default_transaction_read_only = off")
        admin.execute(alter.format(name, sql.Literal("off")))
    database.probe()


def test_a_pooled_session_that_became_read_only_is_replaced(database: Database) -> None:
    with database.connection() as connection:
        pid = connection.info.backend_pid
        connection.execute("SET default_transaction_read_only = on")

    # It is not taken out and put back again until the patience of the pool is over.
    with database.connection(timeout=1.5) as connection:
        assert connection.info.backend_pid != pid


def test_a_slow_query_and_a_long_lock_are_transient(database_url: str) -> None:
    with Database(database_settings(database_url, statement_timeout_s=0.2)) as database:
        with pytest.raises(TransientError) as slow, database.connection() as connection:
            connection.execute("SELECT pg_sleep(5)")
        with database.dedicated() as holder, database.dedicated() as waiter:
            holder.execute("SELECT pg_advisory_xact_lock(1)")
            waiter.execute("SET LOCAL statement_timeout = 0")
            waiter.execute("SET LOCAL lock_timeout = 50")
            with pytest.raises(TransientError) as locked, translated():
                waiter.execute("SELECT pg_advisory_xact_lock(1)")
    for raised in (slow, locked):
        assert raised.value.code == "database_timeout"
        assert not isinstance(raised.value, DependencyDown)


@pytest.mark.parametrize(
    ("limit", "query"),
    [
        ("SET work_mem = '64kB'; SET temp_file_limit = '64kB'", SORT),
        ("SET max_stack_depth = '100kB'", f"SELECT {'abs(' * 1000}1{')' * 1000}"),
        ("", f"SELECT {', '.join(['1'] * 2000)}"),
    ],
    ids=["temporary-files", "stack", "columns"],
)
def test_a_limit_that_one_query_exceeds_is_no_outage(
    database: Database, limit: str, query: str
) -> None:
    with pytest.raises(TransientError) as raised, database.connection() as connection:
        connection.execute(limit.encode())
        connection.execute(query.encode())

    assert raised.value.code == "database_failed"
    assert not isinstance(raised.value, DependencyDown)
    database.probe()


def test_a_server_without_a_connection_left_is_an_outage(database_url: str) -> None:
    role, other = "crowded", make_conninfo(database_url, user="crowded")
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 0".encode())
        try:
            with (
                Database(database_settings(other)) as database,
                pytest.raises(DependencyDown, match="too many connections"),
                database.dedicated(),
            ):
                pass
        finally:
            admin.execute(f"DROP ROLE {role}".encode())


def test_a_cancelled_query_may_be_tried_again(database: Database) -> None:
    with database.dedicated() as connection:
        timer = threading.Timer(0.2, connection.cancel)
        timer.start()
        with pytest.raises(TransientError), translated():
            connection.execute("SELECT pg_sleep(5)")
        timer.join()


def test_a_mistake_in_a_statement_stays_what_it_is(database: Database) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable), database.connection() as connection:
        connection.execute("SELECT * FROM nowhere")


def test_an_unreadable_url_is_refused_without_quoting_the_password() -> None:
    settings = database_settings("postgresql://worker:hun%ZZter2@db/nrf")
    with pytest.raises(ConfigurationError) as raised:
        Database(settings)
    assert "ter2" not in "".join(traceback.format_exception(raised.value))


def test_every_new_connection_has_a_fresh_token_that_no_line_shows(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    target = conninfo_to_dict(database_url)
    tokens = iter(f"planted-token-{number}" for number in range(100))
    given: list[str] = []

    def token() -> str:
        given.append(next(tokens))
        return given[-1]

    settings = DatabaseSettings(
        db_host=str(target["host"]),
        db_port=int(str(target.get("port", 5432))),
        db_name=str(target["dbname"]),
        db_user=str(target["user"]),
        db_sslmode="prefer",
        db_iam_authentication=True,
    )
    with Database(settings, token=token) as database:
        with database.dedicated() as first, database.dedicated() as second:
            assert first.info.password != second.info.password
            assert first.info.password in given
        with pytest.raises(DependencyDown) as raised, database.connection() as connection:
            connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    seen = caplog.text + "".join(traceback.format_exception(raised.value))
    assert "planted-token" not in seen


def test_iam_authentication_needs_somewhere_to_get_tokens() -> None:
    with pytest.raises(ConfigurationError, match="DB_IAM_AUTHENTICATION"):
        Database(DatabaseSettings(db_host="db", db_iam_authentication=True))


def test_an_rds_token_is_signed_for_this_host_and_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    settings = DatabaseSettings(db_host="db.example", db_port=5433, db_user="worker")

    token = rds_tokens(settings, "eu-west-2")()

    assert token.startswith("db.example:5433/?")
    assert "DBUser=worker" in token
    assert "X-Amz-Signature=" in token


def test_tls_is_required_of_a_remote_server_unless_its_url_says_otherwise() -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        port = plain.getsockname()[1]
        threading.Thread(target=_refuse_tls, args=(plain,), daemon=True).start()
        # Not one of the names that count as local, but it resolves to this machine.
        url = f"postgresql://worker@127.0.0.2:{port}/nrf?hostaddr=127.0.0.1"
        with (
            Database(database_settings(url)) as database,
            pytest.raises(DependencyDown, match="SSL"),
            database.dedicated(),
        ):
            pass


def _refuse_tls(server: socket.socket) -> None:
    while True:
        try:
            peer, _ = server.accept()
        except OSError:
            return
        with peer:
            peer.recv(8)
            peer.sendall(b"N")
