"""The database that is measured on: generated layers, loaded as an operator loads them."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from psycopg import sql
from rich.console import Console

from benchmarks.sites import Window
from worker.demo.postgis import EmbeddedPostgis
from worker.migrations.runner import upgrade
from worker.reference.generate import generate
from worker.reference.load import load_directory
from worker.reference.versions import ReferenceVersions, active_versions
from worker.sqlfiles import statement

LARGE, SMALL = 1, 2

_DATABASE = "bench"
# The national layer has 5.4 million cells of 0.41 ha; catchments fill 0.69 of the extent.
_CELL_M2 = 4_100.0
_FILLED = 0.69
_WEST, _SOUTH = 400_000.0, 200_000.0
_SMALL_SHARE = 0.1
_OUTLINED = ("nn_catchments", "wwtw_catchments", "lpa_boundaries", "subcatchments")


@dataclass(frozen=True, slots=True)
class Landscape:
    """A loaded database. ``inner``: where sites are inside catchments; ``small``: where both
    versions of the coefficient layer, LARGE and SMALL, have the same cells.
    """

    url: str
    inner: Window
    small: Window
    large_cells: int
    small_cells: int


@contextmanager
def landscape(cells: int, seed: int, keep: Path | None, console: Console) -> Iterator[Landscape]:
    """A throw-away PostGIS server with ``cells`` generated cells; kept in ``keep`` if given."""
    side = math.sqrt(cells * _CELL_M2 / _FILLED)
    home = None if keep is None else keep / f"{cells}-cells-seed-{seed}"
    with EmbeddedPostgis(keep_in=home) as server:
        url = server.url(_DATABASE)
        small = _centred(side, math.sqrt(_SMALL_SHARE * _FILLED))
        if not _is_loaded(url):
            server.drop_database(_DATABASE)
            server.create_database(_DATABASE)
            with console.status(f"Generating and loading {cells:,} cells"):
                _load(url, cells, seed, side, small)
        counts = _counts(url)
        yield Landscape(
            url,
            inner=_centred(side, 0.7),
            small=_shrunk(small, 1_500.0),
            large_cells=counts[LARGE],
            small_cells=counts[SMALL],
        )


def connected(url: str) -> psycopg.Connection:
    """A connection with the settings of the worker's own that change a plan."""
    return psycopg.connect(url, autocommit=True, options="-c jit=off")


def pinned(connection: psycopg.Connection, cells_version: int) -> ReferenceVersions:
    """The active versions, with the LARGE or the SMALL coefficient layer."""
    active = dict(active_versions(connection).layers)
    active["coefficient_layer"] = replace(active["coefficient_layer"], version=cells_version)
    return ReferenceVersions(active)


def _load(url: str, cells: int, seed: int, side: float, small: Window) -> None:
    upgrade(url)
    with tempfile.TemporaryDirectory(prefix="nrf-bench-") as directory:
        extent = (_WEST, _SOUTH, _WEST + side, _SOUTH + side)
        generate(Path(directory), seed=seed, cells=cells, extent=extent)
        with psycopg.connect(url, autocommit=True) as connection:
            load_directory(connection, Path(directory), label="benchmark", loaded_by="benchmark")
    with psycopg.connect(url, autocommit=True) as connection:
        _add_outline_points(connection)
        _copy_window(connection, small)
        connection.execute("VACUUM ANALYZE")
        connection.execute("CREATE TABLE public.bench_is_loaded ()")


def _add_outline_points(connection: psycopg.Connection) -> None:
    for layer in _OUTLINED:
        names = {
            "table": sql.Identifier("reference", layer),
            "parts": sql.Identifier("reference", f"{layer}_parts"),
        }
        connection.execute(_query("benchmarks", "add_outline_points").format(**names))
        connection.execute(sql.SQL("TRUNCATE {parts}").format(**names))
        connection.execute(_query("worker.reference", "insert_parts").format(**names))


def _copy_window(connection: psycopg.Connection, window: Window) -> None:
    west, south, east, north = window
    connection.execute(
        "CREATE TABLE reference.coefficient_layer_v2 PARTITION OF reference.coefficient_layer "
        "FOR VALUES IN (2)"
    )
    connection.execute(
        statement("benchmarks", "copy_window"),
        {"west": west, "south": south, "east": east, "north": north},
    )
    connection.execute("CREATE INDEX ON reference.coefficient_layer_v2 USING gist (geom)")


def _query(package: str, name: str) -> sql.SQL:
    return sql.SQL(statement(package, name).decode())


def _counts(url: str) -> dict[int, int]:
    with psycopg.connect(url) as connection:
        return dict(
            connection.execute(
                "SELECT version, count(*) FROM reference.coefficient_layer GROUP BY version"
            ).fetchall()
        )


def _is_loaded(url: str) -> bool:
    try:
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT to_regclass('public.bench_is_loaded')").fetchone()
    except psycopg.OperationalError:
        return False
    return row is not None and row[0] is not None


def _centred(side: float, share: float) -> Window:
    margin = side * (1 - share) / 2
    return (_WEST + margin, _SOUTH + margin, _WEST + side - margin, _SOUTH + side - margin)


def _shrunk(window: Window, metres: float) -> Window:
    west, south, east, north = window
    return (west + metres, south + metres, east - metres, north - metres)
