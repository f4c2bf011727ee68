"""Writes new GeoPackages of polygons in EPSG:27700 with ``sqlite3``: a million cells in seconds.

Container and header: OGC 12-128, clauses 1.1 and 2.1.3.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from worker.reference.geopackage import quoted
from worker.reference.layers import BRITISH_NATIONAL_GRID

_APPLICATION_ID = 0x47504B47  # "GPKG"
_USER_VERSION = 10300


class Writer:
    """Writes one new GeoPackage of one polygon layer in EPSG:27700, batch by batch."""

    def __init__(self, database: sqlite3.Connection, table: str, columns: Sequence[str]) -> None:
        self._database = database
        places = ", ".join("?" * (len(columns) + 1))
        names = ", ".join(quoted(name) for name in ("geom", *columns))
        self._insert = f"INSERT INTO {quoted(table)} ({names}) VALUES ({places})"  # noqa: S608

    def write(self, geometries: Iterable[bytes], values: Iterable[Sequence[object]]) -> None:
        """Append features: WKB (little endian, two dimensions) and the columns' values."""
        self._database.executemany(
            self._insert,
            ((_HEADER + wkb, *row) for wkb, row in zip(geometries, values, strict=True)),
        )


@contextmanager
def create(
    path: Path,
    table: str,
    columns: Sequence[tuple[str, str]],
    *,
    extent: tuple[float, float, float, float],
    description: str,
) -> Iterator[Writer]:
    """A new GeoPackage at ``path``; it appears under that name only when it is complete.

    ``columns``: name and SQLite type. ``extent``: bounds of the data in metres, for its entry in
    the table of contents. The bytes depend on nothing but the content.
    """
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(unfinished, isolation_level=None)) as database:
            # Nobody reads the file before it is renamed: a crash leaves only the .part.
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA synchronous = OFF")
            database.execute("BEGIN")
            _write_container(database, table, columns, extent, description)
            yield Writer(database, table, [name for name, _ in columns])
            database.execute("COMMIT")
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _write_container(
    database: sqlite3.Connection,
    table: str,
    columns: Sequence[tuple[str, str]],
    extent: tuple[float, float, float, float],
    description: str,
) -> None:
    database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {_USER_VERSION}")
    for statement in _CONTAINER:
        database.execute(statement)
    database.executemany("INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, ?)", _SYSTEMS)
    database.execute(
        "INSERT INTO gpkg_contents VALUES (?, 'features', ?, ?, ?, ?, ?, ?, ?, ?)",
        (table, table, description, _LAST_CHANGE, *extent, BRITISH_NATIONAL_GRID),
    )
    database.execute(
        "INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', 'GEOMETRY', ?, 0, 0)",
        (table, BRITISH_NATIONAL_GRID),
    )
    definitions = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns)
    database.execute(
        f"CREATE TABLE {quoted(table)} (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,"
        f" geom GEOMETRY, {definitions})"
    )


# Magic, version 0, flags: little endian without an envelope; then the SRS id.
_HEADER = struct.pack("<2sBBi", b"GP", 0, 1, BRITISH_NATIONAL_GRID)
# Fixed, so that equal content gives equal bytes.
_LAST_CHANGE = "2000-01-01T00:00:00.000Z"
_CONTAINER = (
    """
    CREATE TABLE gpkg_spatial_ref_sys (
        srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY, organization TEXT NOT NULL,
        organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT)""",
    """
    CREATE TABLE gpkg_contents (
        table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
        description TEXT DEFAULT '', last_change DATETIME NOT NULL,
        min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE,
        srs_id INTEGER REFERENCES gpkg_spatial_ref_sys (srs_id))""",
    """
    CREATE TABLE gpkg_geometry_columns (
        table_name TEXT NOT NULL REFERENCES gpkg_contents (table_name), column_name TEXT NOT NULL,
        geometry_type_name TEXT NOT NULL,
        srs_id INTEGER NOT NULL REFERENCES gpkg_spatial_ref_sys (srs_id),
        z TINYINT NOT NULL, m TINYINT NOT NULL,
        PRIMARY KEY (table_name, column_name), UNIQUE (table_name))""",
)
_BNG_WKT = (
    'PROJCS["OSGB36 / British National Grid",GEOGCS["OSGB36",DATUM["Ordnance_Survey_of_Great_'
    'Britain_1936",SPHEROID["Airy 1830",6377563.396,299.3249646,AUTHORITY["EPSG","7001"]],'
    'AUTHORITY["EPSG","6277"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",'
    '0.0174532925199433,AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4277"]],PROJECTION['
    '"Transverse_Mercator"],PARAMETER["latitude_of_origin",49],PARAMETER["central_meridian",-2],'
    'PARAMETER["scale_factor",0.9996012717],PARAMETER["false_easting",400000],PARAMETER['
    '"false_northing",-100000],UNIT["metre",1,AUTHORITY["EPSG","9001"]],AXIS["Easting",EAST],'
    'AXIS["Northing",NORTH],AUTHORITY["EPSG","27700"]]'
)
_WGS84_WKT = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG",'
    '"7030"]],AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT['
    '"degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4326"]]'
)
# The three systems that every GeoPackage must know, and ours.
_SYSTEMS = (
    ("Undefined Cartesian SRS", -1, "NONE", -1, "undefined", None),
    ("Undefined geographic SRS", 0, "NONE", 0, "undefined", None),
    ("WGS 84 geodetic", 4326, "EPSG", 4326, _WGS84_WKT, None),
    (
        "OSGB36 / British National Grid",
        BRITISH_NATIONAL_GRID,
        "EPSG",
        BRITISH_NATIONAL_GRID,
        _BNG_WKT,
        None,
    ),
)
