"""Reads a GeoPackage as what it is, a SQLite file whose geometries are WKB behind a header.

PostGIS takes the WKB as it is, so no feature is built in Python: much quicker than GDAL, and never
more than a row in memory. Format of the header: OGC 12-128, clause 2.1.3.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from worker.errors import ReferenceDataError

# Bytes of the envelope after the 8 fixed ones, by the flags' three envelope bits.
_ENVELOPE_BYTES = (0, 32, 48, 48, 64)


class Malformed(Exception):
    """A row of a source does not have the form of its format."""


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """A table of features: its geometry column, its CRS as authority code, its other columns."""

    name: str
    geometry_column: str | None
    epsg: int | None
    columns: tuple[str, ...]
    row_count: int


def read_only(path: Path) -> sqlite3.Connection:
    """The SQLite file at ``path``; raises ReferenceDataError ``reference_source_unreadable``."""
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        raise unreadable(path, error) from error
    return database


def unreadable(path: Path, error: Exception) -> ReferenceDataError:
    """The error for a source that its format's reader refuses."""
    return ReferenceDataError(
        "reference_source_unreadable", f"{path.name} can't be read.", detail=f"{path}: {error}"
    )


def describe(database: sqlite3.Connection, table: str) -> FeatureTable:
    """What ``table`` of a GeoPackage, or of any SQLite file, holds."""
    columns = tuple(str(row[1]) for row in database.execute(f"PRAGMA table_info({quoted(table)})"))
    counting = f"SELECT count(*) FROM {quoted(table)}"  # noqa: S608 - names can't be bound
    (row_count,) = database.execute(counting).fetchone()
    geometry_column, epsg = _geometry_of(database, table)
    return FeatureTable(
        table,
        geometry_column,
        epsg,
        tuple(name for name in columns if name != geometry_column),
        row_count,
    )


def rows(
    database: sqlite3.Connection, table: FeatureTable, columns: Sequence[str | None]
) -> Iterator[tuple[object, ...]]:
    """Each row in file order: the geometry as WKB (None if it has none), then ``columns``.

    A column that is None gives NULL in every row.
    """
    geometry = "NULL" if table.geometry_column is None else quoted(table.geometry_column)
    selected = ", ".join([geometry, *(quoted(name) if name else "NULL" for name in columns)])
    query = f"SELECT {selected} FROM {quoted(table.name)}"  # noqa: S608 - names can't be bound
    for blob, *values in database.execute(query):
        yield (None if blob is None else wkb_of(blob), *values)


def wkb_of(blob: bytes) -> bytes:
    """The WKB of a GeoPackage geometry; raises Malformed if it is none."""
    if blob[:2] != b"GP":
        raise Malformed("not a GeoPackage geometry")
    envelope = (blob[3] >> 1) & 0b111
    if envelope >= len(_ENVELOPE_BYTES):
        raise Malformed("unknown envelope in a GeoPackage geometry")
    return blob[8 + _ENVELOPE_BYTES[envelope] :]


def quoted(name: str) -> str:
    """``name`` as an SQLite identifier."""
    return '"' + name.replace('"', '""') + '"'


def _geometry_of(database: sqlite3.Connection, table: str) -> tuple[str | None, int | None]:
    known = database.execute(
        "SELECT 1 FROM sqlite_master WHERE name = 'gpkg_geometry_columns'"
    ).fetchone()
    if known is None:
        return None, None
    row = database.execute(
        """
        SELECT column_name, upper(organization), organization_coordsys_id
        FROM gpkg_geometry_columns
        LEFT JOIN gpkg_spatial_ref_sys USING (srs_id)
        WHERE table_name = ?""",
        (table,),
    ).fetchone()
    if row is None:
        return None, None
    column, organization, code = row
    return str(column), int(code) if organization == "EPSG" else None
