"""Tables that another service owns: found, used carefully, and their absence is said clearly."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from threading import Barrier

import psycopg
import pytest
from pydantic import SecretStr

from tests.fakes.exports import wait_until
from tests.fakes.messages import message
from worker import logs
from worker.checks import client_problems
from worker.clients.domains import DomainDatabase, database_of
from worker.demo.postgis import DatabaseServer
from worker.demo.water_world import WaterWorld
from worker.errors import (
    CommandRefused,
    ConfigurationError,
    PermanentError,
    TransientError,
    WorkerError,
)
from worker.jobs.context import Interruption, JobContext, StopReason
from worker.jobs.notices import Notices
from worker.jobs.water_workflow import licence_updates_type, time_limited_type
from worker.ledger.models import JsonObject
from worker.migrations import runner
from worker.queue.envelope import open_envelope
from worker.reference.versions import ReferenceVersions
from worker.settings import (
    DOMAINS,
    DatabaseSettings,
    Domain,
    NotifySettings,
    RuntimeSettings,
    Settings,
)

TODAY = date(2026, 6, 15)
SCHEDULED = {"scheduledTime": "2026-06-15T07:15:00Z", "runDate": "2026-06-15"}


def water(url: str) -> DomainDatabase:
    return DomainDatabase("water", lambda: url)


def perform(
    database: DomainDatabase, job_type: str, interruption: Interruption | None = None
) -> JsonObject:
    """One run of a job, as the worker makes it; its result."""
    notices = Notices(NotifySettings())
    known = (licence_updates_type(database, notices), time_limited_type(database, notices))
    (kind,) = (one for one in known if one.name == job_type)
    envelope = open_envelope(message({"jobType": job_type, **SCHEDULED}), max_body_bytes=10_000)
    job = kind.accept(envelope)
    return job.run(
        JobContext(job.key, ReferenceVersions({}), interruption or Interruption())
    ).result


def test_tables_of_a_domain_are_made_only_when_they_are_asked_for(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT to_regnamespace('water')").fetchone() == (None,)

    for domain in DOMAINS:
        runner.upgrade_domain(domain, database_url)
        runner.upgrade_domain(domain, database_url)

    assert runner.current(database_url) == runner.head()
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM water.licences").fetchone() == (0,)


@pytest.mark.parametrize("domain", DOMAINS)
def test_tables_that_another_service_owns_are_left_alone(
    empty_database_url: str, domain: Domain
) -> None:
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(f"CREATE SCHEMA {domain}".encode())

    with pytest.raises(CommandRefused) as raised:
        runner.upgrade_domain(domain, empty_database_url)

    assert raised.value.code == "schema_exists"


@pytest.mark.parametrize("job_type", ["water.licence-updates", "water.time-limited"])
def test_missing_tables_fail_the_job_with_a_code(database_url: str, job_type: str) -> None:
    with pytest.raises(PermanentError) as raised:
        perform(water(database_url), job_type)

    assert raised.value.code == "water_tables_missing"
    assert "water." in raised.value.detail


def test_tables_without_a_column_that_is_needed_are_missing_too(domains_url: str) -> None:
    with psycopg.connect(domains_url) as connection:
        connection.execute("ALTER TABLE water.charge_versions DROP COLUMN scheme")

    with pytest.raises(PermanentError, match="water_tables_missing"):
        perform(water(domains_url), "water.time-limited")


def test_tables_that_the_worker_may_not_use_fail_the_job_with_a_code(
    postgis: DatabaseServer, domains_url: str
) -> None:
    role = f"reader_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(domains_url) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'reader'".encode())
    try:
        with pytest.raises(PermanentError) as raised:
            perform(water(as_role(domains_url, role)), "water.licence-updates")
    finally:
        with psycopg.connect(domains_url) as connection:
            connection.execute(f"DROP ROLE {role}".encode())

    assert raised.value.code == "water_access_denied"


def as_role(url: str, role: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{role}:reader@{rest.rpartition('@')[2]}"


def test_a_database_that_is_away_costs_an_attempt() -> None:
    with pytest.raises(TransientError) as raised:
        perform(water("postgresql://nobody@127.0.0.1:1/none"), "water.licence-updates")

    # Not DependencyDown: the probe before each poll asks another database.
    assert type(raised.value) is TransientError
    assert raised.value.code == "water_database_unavailable"


def test_a_read_only_connection_writes_nothing_and_sees_one_moment(domains_url: str) -> None:
    count = "SELECT count(*) FROM water.licences"
    with water(domains_url).read_only() as reader:
        assert reader.execute(count).fetchone() == (0,)
        with psycopg.connect(domains_url) as writer:
            WaterWorld(writer).licence()
        assert reader.execute(count).fetchone() == (0,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            WaterWorld(reader).licence()


def test_one_run_at_a_time(domains_url: str) -> None:
    database = water(domains_url)
    with database.single_flight("water.export"):
        with (
            pytest.raises(TransientError, match="job_already_running"),
            database.single_flight("water.export"),
        ):
            pytest.fail("two runs at once")
        with database.single_flight("another"):
            pass

    with database.single_flight("water.export"):
        pass


@pytest.mark.parametrize("job_type", ["water.licence-updates", "water.time-limited"])
def test_copies_that_run_at_once_all_succeed(domains_url: str, job_type: str) -> None:
    with psycopg.connect(domains_url) as connection:
        world = WaterWorld(connection)
        for _ in range(20):
            licence = world.licence()
            world.version(licence)
            world.element(world.reference(world.charge_version(licence)), TODAY)
    start = Barrier(3)

    def run() -> object:
        start.wait()
        return perform(water(domains_url), job_type)["count"]

    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(run) for _ in range(3)]
        assert sorted(str(one.result()) for one in runs) == ["0", "0", "20"]


@pytest.mark.usefixtures("own_logging")
def test_a_run_that_has_to_stop_lets_go_at_once_and_leaves_nothing(
    domains_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(RuntimeSettings(log_format="json"))
    interruption = Interruption()
    with psycopg.connect(domains_url) as connection:
        world = WaterWorld(connection)
        world.version(world.licence())
    with (
        ThreadPoolExecutor(1) as pool,
        psycopg.connect(domains_url) as lock,
        psycopg.connect(domains_url, autocommit=True) as watcher,
    ):
        lock.execute("LOCK TABLE water.charge_version_workflows IN ACCESS EXCLUSIVE MODE")
        run = pool.submit(perform, water(domains_url), "water.licence-updates", interruption)
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
        wait_until(lambda: watcher.execute(waiting).fetchone() != (0,))
        interruption.interrupt(StopReason.STOP_REQUESTED)

        # The lock is still held: the run has ended although its query could not.
        assert isinstance(run.exception(timeout=40), WorkerError)

    with psycopg.connect(domains_url) as connection:
        assert WaterWorld(connection).workflows() == []
    # Stopped is not failed: the run is handed back.
    assert "run.failed" not in capsys.readouterr().out


def test_a_domain_may_have_a_database_of_its_own(
    monkeypatch: pytest.MonkeyPatch, domains_url: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://ours@127.0.0.1:1/ours")
    monkeypatch.setenv("WATER_DATABASE_URL", domains_url)
    settings = Settings.load()

    with database_of("water", settings).connection() as connection:
        assert connection.execute("SELECT count(*) FROM water.licences").fetchone() == (0,)
    assert "ours" in database_of("lists", settings).conninfo()


def test_an_unreadable_url_of_a_domain_is_named_without_its_password() -> None:
    settings = DatabaseSettings(
        database_url=SecretStr("postgresql://ours@db/ours"),
        lists_database_url=SecretStr("postgresql://lists:hunter2@[db"),
    )

    with pytest.raises(ConfigurationError) as raised:
        database_of("lists", replace(Settings.load(), database=settings))
    problems = client_problems(replace(Settings.load(), database=settings))

    assert "LISTS_DATABASE_URL" in str(raised.value)
    assert [problem for problem in problems if "LISTS_DATABASE_URL" in problem]
    assert "hunter2" not in str(raised.value) + str(problems)
