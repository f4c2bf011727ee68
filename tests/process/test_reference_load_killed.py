"""A load that is killed leaves what is active as it was, and the next load removes its remains."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.fakes.reference_files import catchment, square, write_catchments, write_rates
from worker.errors import TransientError
from worker.reference.inventory import list_versions
from worker.reference.load import load_directory
from worker.reference.report import LoadReport

# Loads argv[2] into argv[1] and stands still, saying so, at the step argv[3] of the rates: a
# "step" of "read" is in the middle of the COPY.
_LOADER = """
import sys, time
from pathlib import Path
import psycopg
from worker.reference.load import load_directory
from worker.reference.progress import Silent

class Paused(Silent):
    def advanced(self, subject, rows):
        self.step(subject, "read")

    def step(self, subject, name):
        if (subject, name) == ("rates_lookup", sys.argv[3]):
            print("paused", flush=True)
            time.sleep(60)

with psycopg.connect(sys.argv[1]) as connection:
    load_directory(connection, Path(sys.argv[2]), label="killed", loaded_by="t", progress=Paused())
"""


@pytest.mark.parametrize("step", ["read", "index", "check"])
def test_killed_load_changes_nothing_and_the_next_one_cleans_up(
    tmp_path: Path, database_url: str, step: str
) -> None:
    write_catchments(tmp_path, [catchment(1)])
    write_rates(tmp_path, [("Testmere SAC", 2.4, 120)])
    _load(database_url, tmp_path)
    (tmp_path / "nn_catchments.gpkg").unlink()
    write_catchments(tmp_path, [catchment(1, geometry=square(side=5))])

    loader = subprocess.Popen(
        [sys.executable, "-c", _LOADER, database_url, str(tmp_path), step],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert loader.stdout is not None
    with loader:
        assert loader.stdout.readline() == "paused\n"
        loader.kill()

    with psycopg.connect(database_url, autocommit=True) as connection:
        states = {
            (one.layer, one.version): (one.status, one.is_active)
            for one in list_versions(connection)
        }
        assert states == {
            ("nn_catchments", 1): ("ready", True),
            ("nn_catchments", 2): ("loading", False),
            ("rates_lookup", 1): ("ready", True),
            ("rates_lookup", 2): ("loading", False),
        }
        areas = connection.execute("SELECT ST_Area(geom) FROM reference.nn_catchments").fetchall()
        assert areas == [(1e6,)]
    (tmp_path / "lookups.sqlite").unlink()

    report = _load(database_url, tmp_path)

    assert [(layer.layer, layer.version) for layer in report.layers] == [("nn_catchments", 2)]
    with psycopg.connect(database_url) as connection:
        assert _tables(connection) == {
            "nn_catchments_v1",
            "nn_catchments_parts_v1",
            "nn_catchments_v2",
            "nn_catchments_parts_v2",
            "rates_lookup_v1",
        }
        assert {one.status for one in list_versions(connection)} == {"ready"}


def _load(database_url: str, directory: Path) -> LoadReport:
    """Load; waits for the server to notice that a killed loader is gone."""
    end = time.monotonic() + 20
    while True:
        try:
            with psycopg.connect(database_url) as connection:
                return load_directory(connection, directory, label="test", loaded_by="tester")
        except TransientError as error:
            if error.code != "reference_load_running" or time.monotonic() > end:
                raise
            time.sleep(0.1)


def _tables(connection: psycopg.Connection) -> set[str]:
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'reference'::regnamespace"
        " AND relkind = 'r' AND relname ~ '_v[0-9]+$'"
    ).fetchall()
    return {row[0] for row in rows}
