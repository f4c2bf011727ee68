"""Fixtures that several files of this folder share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from tests.fakes.ledger import LedgerBench, connector
from worker.demo.postgis import DatabaseServer
from worker.demo.water_world import WaterWorld
from worker.ledger.operations import Operations


@pytest.fixture(scope="module")
def water_url(postgis: DatabaseServer, domains_template: str) -> Iterator[str]:
    """One database for the tests of a file whose transaction is rolled back."""
    name = f"water-{uuid.uuid4().hex[:12]}"
    yield postgis.create_database(name, domains_template)
    postgis.drop_database(name)


@pytest.fixture
def world(water_url: str) -> Iterator[WaterWorld]:
    with psycopg.connect(water_url) as connection:
        yield WaterWorld(connection)
        connection.rollback()


@pytest.fixture
def bench(database_url: str) -> LedgerBench:
    return LedgerBench(database_url)


@pytest.fixture
def operations(bench: LedgerBench) -> Operations:
    return Operations(connector(bench.url), made_by="ann")
