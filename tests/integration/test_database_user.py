"""The worker's database user may do its work with the grants that docs/deploy.md gives it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.fakes.reference_files import catchment, write_catchments, write_rates
from worker.demo.postgis import DatabaseServer

_PAGE = Path(__file__).parents[2] / "docs" / "deploy.md"
# Amazon's own role, which no other server has.
_RDS_ONLY = "GRANT rds_iam TO nrf_worker"


@dataclass(frozen=True)
class Login:
    """``url`` is the worker's, ``admin_url`` that of the user who made it."""

    url: str
    admin_url: str
    role: str

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return subprocess.run(
            [sys.executable, "-m", "worker", *arguments],
            env={**inherited, "LOG_LEVEL": "warning", "DATABASE_URL": self.url},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def statements() -> list[str]:
    """What the page has the master user run."""
    (block,) = re.findall(r"```sql\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [line.strip() for line in block.split(";") if line.strip()]


@pytest.fixture
def login(postgis: DatabaseServer, empty_database_url: str) -> Iterator[Login]:
    role = f"worker_{uuid.uuid4().hex[:12]}"
    database = empty_database_url.rpartition("/")[2]
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        for statement in statements():
            if statement != _RDS_ONLY:
                own = statement.replace("nrf_worker", role)
                own = own.replace("DATABASE nrf", f'DATABASE "{database}"')
                connection.execute(own.encode())
        connection.execute(f"ALTER ROLE {role} PASSWORD 'worker'".encode())
    scheme, _, rest = empty_database_url.partition("://")
    url = f"{scheme}://{role}:worker@{rest.rpartition('@')[2]}"
    yield Login(url, empty_database_url, role)
    postgis.drop_database(database)
    with psycopg.connect(postgis.url("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP ROLE {role}".encode())


def test_the_user_migrates_and_loads_without_being_anything_else(
    login: Login, tmp_path: Path
) -> None:
    write_rates(tmp_path, [("Testmere SAC", 2.4, 120)])
    write_catchments(tmp_path, [catchment(7, "Testmere SAC")])

    for arguments in (
        ("db", "migrate"),
        ("db", "migrate", "--with", "water,lists"),
        ("reference", "load", str(tmp_path)),
    ):
        done = login.command(*arguments)
        assert done.returncode == 0, (arguments, done.stderr)

    with psycopg.connect(login.admin_url) as connection:
        loaded = connection.execute("SELECT count(*) FROM reference.nn_catchments").fetchone()
        role = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = %s",
            (login.role,),
        ).fetchone()
    assert loaded == (1,)
    assert role == (False, False, False)


def test_the_master_user_does_not_become_one_that_signs_in_by_token(login: Login) -> None:
    # RDS refuses the password of whoever is a member of rds_iam, by way of another role too.
    with psycopg.connect(login.admin_url) as connection:
        granted = connection.execute(
            "SELECT count(*) FROM pg_auth_members WHERE roleid = %s::regrole AND NOT admin_option",
            (login.role,),
        ).fetchone()

    assert _RDS_ONLY == statements()[-1]
    assert granted == (0,)
