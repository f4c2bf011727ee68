"""How a connection is encrypted: by the setting, by the URL, and wherever it leaves this host."""

from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from worker.clients.db import conninfo_of
from worker.settings import DatabaseSettings


def parameters(settings: DatabaseSettings) -> dict[str, object]:
    return dict(conninfo_to_dict(conninfo_of(settings, "test")))


@pytest.mark.parametrize(
    "settings",
    [
        DatabaseSettings(db_host="db.example", db_name="nrf", db_user="worker"),
        DatabaseSettings(database_url=SecretStr("postgresql://worker@db.example/nrf")),
    ],
    ids=["parts", "url"],
)
def test_a_database_elsewhere_is_asked_over_tls_unless_it_is_said_otherwise(
    settings: DatabaseSettings,
) -> None:
    assert parameters(settings)["sslmode"] == "require"
    strict = settings.model_copy(update={"db_sslmode": "verify-full", "db_sslrootcert": "/ca.pem"})
    assert parameters(strict)["sslmode"] == "verify-full"
    assert parameters(strict)["sslrootcert"] == "/ca.pem"


def test_what_the_url_says_goes_before_the_settings() -> None:
    url = "postgresql://worker@db.example/nrf?sslmode=verify-ca&sslrootcert=/own.pem"
    settings = DatabaseSettings(
        database_url=SecretStr(url), db_sslmode="require", db_sslrootcert="/ca.pem"
    )
    found = parameters(settings)
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-ca", "/own.pem")


def test_a_database_on_this_machine_needs_no_tls() -> None:
    settings = DatabaseSettings(database_url=SecretStr("postgresql://worker@127.0.0.1/nrf"))
    assert "sslmode" not in parameters(settings)
