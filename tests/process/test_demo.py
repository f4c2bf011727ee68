"""The demo keeps its promises, and says so when the service does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from worker.demo import annual_review_sample, scheduled
from worker.demo.outcome import Outcome, expectations
from worker.demo.postgis import DatabaseServer
from worker.demo.run import BROKEN, QUOTE, SHAPEFILE


@pytest.fixture
def nothing_happened() -> Outcome:
    return Outcome(
        stories={},
        requests=(),
        emails=(),
        dead_letters=(),
        left_on_queue=3,
        log=(),
        exit_code=70,
    )


def test_the_demo_shows_results_mails_and_dead_letter_and_removes_its_database(
    postgis: DatabaseServer, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here = tmp_path_factory.mktemp("here")
    server = postgis.url("postgres")
    finished = subprocess.run(
        [sys.executable, "-m", "worker", "demo"],
        env={**os.environ, "DATABASE_URL": server, "TMPDIR": str(tmp_path)},
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    for shown in (
        "Mill Lane",
        "River Tessel SAC",
        "PATCH /quotes/NRF-000123",
        "developer@example.com",
        "job.succeeded",
        "shapefile_incomplete",
        "created before 2026-04-15",
        "M6.2 weeklyUnpublish: Ben, Dee",
        "off the list: Ben",
    ):
        assert shown in finished.stdout
    assert "✗" not in finished.stdout
    with psycopg.connect(server) as connection:
        left = connection.execute("SELECT FROM pg_database WHERE datname LIKE 'nrf-demo%'")
        assert left.rowcount == 0
    assert list(tmp_path.iterdir()) == []
    for report in ("email/report.pdf", "nutrient/report.html", "newts/report.pdf"):
        assert str(Path("build", "demo", report)) in finished.stdout
        assert (here / "build" / "demo" / report).stat().st_size > 5_000


def test_no_promise_holds_if_nothing_happened(nothing_happened: Outcome) -> None:
    promises = (
        *expectations(nothing_happened, SHAPEFILE, QUOTE, BROKEN),
        *scheduled.expectations(scheduled.Shown(decisions={}, manifest=None)),
        *annual_review_sample.expectations(()),
    )
    assert not any(one.holds for one in promises)
