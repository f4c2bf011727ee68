"""Time of the newt assessment, against whole layers taken naively and the bare kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from rich.console import Console

from benchmarks.landscape import connected
from benchmarks.newt_methods import Answer, Case, Kernel, WholeLayers, WorkerMethod
from benchmarks.report import Disagreement, Row, medians_ms, table
from worker.assessments.gcn import required_layers
from worker.boundary.sandbox import Sandbox
from worker.boundary.sites import newt_sites_from_boundary
from worker.demo.postgis import EmbeddedPostgis
from worker.migrations.runner import upgrade
from worker.reference.load import load_directory
from worker.reference.versions import pin_versions
from worker.settings import BoundarySettings, GcnConstants

_DATABASE = "bench"
# Areas of a square kilometre, combined in another order on the same grid.
_AGREEMENT_M2 = 1.0


def run(*, runs: int) -> bool:
    """Measure, print the report, and say whether every target is met."""
    console = Console()
    folder = _acceptance_data()
    if not folder.is_dir():
        console.print(f"newts: no acceptance data in {folder}; set ACCEPTANCE_DATA to its folder.")
        return False
    with _loaded(folder, console) as connection:
        case = _case(folder, connection)
        worker = WorkerMethod(connection, case)
        naive, kernel = WholeLayers(connection, case), Kernel(connection, case)
        _check_agreement(worker.answer(), naive.answer())
        ours, theirs, floor = medians_ms(3 * runs, worker.run, naive.run, kernel.run)
    what = f"{len(case.sites)} sites, {len(case.survey.ponds)} surveyed ponds"
    rows = [
        Row(what, f"{ours:.1f} ms", ""),
        Row(
            f"{what}: whole layers",
            f"{theirs:,.0f} ms, worker {theirs / ours:.1f} times faster",
            "at least 4 times",
            theirs >= 4 * ours,
        ),
        Row(
            f"{what}: kernel",
            f"{floor:.1f} ms, worker {ours / floor:.2f} times",
            "at most 2 times",
            ours <= 2 * floor,
        ),
    ]
    console.print(table(rows))
    return all(row.met is not False for row in rows)


def _acceptance_data() -> Path:
    given = os.environ.get("ACCEPTANCE_DATA")
    beside = Path(__file__).parents[2] / "shared" / "acceptance"
    return Path(given) if given else beside


@contextmanager
def _loaded(folder: Path, console: Console) -> Iterator[psycopg.Connection]:
    """A throw-away PostGIS server with the acceptance layers, loaded as an operator loads them."""
    with EmbeddedPostgis() as server:
        url = server.create_database(_DATABASE)
        with console.status("Loading the acceptance layers"):
            upgrade(url)
            with psycopg.connect(url, autocommit=True) as connection:
                load_directory(
                    connection, folder / "reference", label="acceptance", loaded_by="benchmark"
                )
                connection.execute("VACUUM ANALYZE")
        with connected(url) as connection:
            yield connection


def _case(folder: Path, connection: psycopg.Connection) -> Case:
    with Sandbox(BoundarySettings(), GcnConstants()) as sandbox:
        boundary = sandbox.read_boundary(folder / "gcn" / "site_boundary.zip")
        survey = sandbox.read_survey_ponds(folder / "gcn" / "site_ponds.zip")
    versions = pin_versions(connection, required_layers(has_survey=True))
    return Case(newt_sites_from_boundary(boundary), survey, versions)


def _check_agreement(ours: Answer, theirs: Answer) -> None:
    if ours.ponds != theirs.ponds:
        raise Disagreement(f"ponds: {ours.ponds} against {theirs.ponds}")
    for place in ours.habitat_m2.keys() | theirs.habitat_m2.keys():
        mine, other = ours.habitat_m2.get(place, 0.0), theirs.habitat_m2.get(place, 0.0)
        if abs(mine - other) > _AGREEMENT_M2:
            raise Disagreement(f"habitat in {place}: {mine} against {other}")
