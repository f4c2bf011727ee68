"""Opens the source of a layer as rows: the geometry as WKB, then the wanted columns.

GeoPackage, SQLite and CSV are streamed by the standard library. Shapefiles and file geodatabases
need GDAL (fiona), which builds every feature in Python and is several times slower; a national
layer is better converted to a GeoPackage first (``ogr2ogr``). Either way one row is in memory.
"""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from worker.reference import geopackage
from worker.reference.geopackage import Malformed, unreadable
from worker.reference.sources import Format, Source

if TYPE_CHECKING:
    from fiona import Collection

Rows: TypeAlias = Iterator[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class SourceTable:
    """An open source: its columns, its CRS (None if it has none or another authority's).

    ``rows`` gives (WKB or None, value, …) of each row in file order, a value for each name that it
    is given; a name that is None gives None.
    """

    columns: tuple[str, ...]
    epsg: int | None
    row_count: int
    rows: Callable[[Sequence[str | None]], Rows]


@contextmanager
def open_source(source: Source) -> Iterator[SourceTable]:
    """The rows of ``source``; raises ReferenceDataError ``reference_source_unreadable``."""
    try:
        match source.format:
            case Format.GEOPACKAGE | Format.SQLITE:
                with closing(geopackage.read_only(source.path)) as database:
                    table = geopackage.describe(database, source.table)
                    yield SourceTable(
                        table.columns,
                        table.epsg,
                        table.row_count,
                        partial(geopackage.rows, database, table),
                    )
            case Format.SHAPEFILE | Format.FILE_GEODATABASE:
                with _open_with_gdal(source) as collection:
                    yield SourceTable(
                        tuple(collection.schema["properties"]),
                        collection.crs.to_epsg() if collection.crs else None,
                        len(collection),
                        partial(_gdal_rows, collection),
                    )
            case Format.CSV:
                header, row_count = _csv_header(source.path)
                yield SourceTable(header, None, row_count, partial(_csv_rows, source.path, header))
    except (sqlite3.Error, csv.Error, UnicodeDecodeError, Malformed) as error:
        raise unreadable(source.path, error) from error


@contextmanager
def _open_with_gdal(source: Source) -> Iterator[Collection]:
    import fiona
    from fiona.errors import FionaError

    driver = "ESRI Shapefile" if source.format is Format.SHAPEFILE else "OpenFileGDB"
    try:
        with fiona.open(source.path, layer=source.table, enabled_drivers=[driver]) as collection:
            yield collection
    except FionaError as error:
        raise unreadable(source.path, error) from error


def _gdal_rows(collection: Collection, columns: Sequence[str | None]) -> Rows:
    import shapely
    from shapely.geometry import shape

    for feature in collection:
        wkb = None
        if feature.geometry is not None:
            wkb = shapely.to_wkb(shape(feature.geometry), output_dimension=2)
        properties = feature.properties
        yield (wkb, *(properties[name] if name else None for name in columns))


def _csv_header(path: Path) -> tuple[tuple[str, ...], int]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.reader(stream)
        header = tuple(next(reader, ()))
        return header, sum(1 for row in reader if row)


def _csv_rows(path: Path, header: tuple[str, ...], columns: Sequence[str | None]) -> Rows:
    places = [header.index(name) if name else None for name in columns]
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.reader(stream)
        next(reader, None)
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise Malformed(f"line {reader.line_num} has {len(row)} fields, not {len(header)}")
            yield (None, *(None if place is None else row[place] for place in places))
