"""Sources of reference layers as files, good and faulty, written with GDAL as users would."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import fiona
import shapely
from fiona._err import CPLE_AppDefinedError
from shapely.geometry import mapping

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Feature:
    """A geometry (None for a feature without one) and its attributes."""

    geometry: shapely.Geometry | None
    properties: Mapping[str, Value]


def square(x: float = 600_000, y: float = 300_000, side: float = 1000) -> shapely.Polygon:
    """An axis-parallel square in British National Grid."""
    return shapely.box(x, y, x + side, y + side)


def bow_tie() -> shapely.Polygon:
    """A polygon that crosses itself."""
    return shapely.Polygon(
        [(600_000, 300_000), (600_100, 300_100), (600_100, 300_000), (600_000, 300_100)]
    )


def catchment(
    oid: Value, name: Value = "Testmere SAC", geometry: shapely.Geometry | None = None
) -> Feature:
    """A nutrient neutrality catchment with the published attribute names."""
    return Feature(square() if geometry is None else geometry, {"OID": oid, "N2K_Site_N": name})


def write_features(
    path: Path,
    features: Sequence[Feature],
    schema: Mapping[str, str],
    *,
    table: str | None = None,
    geometry: str = "Unknown",
    crs: str | None = "EPSG:27700",
) -> Path:
    """Write one layer; the driver follows the suffix (.gpkg, .shp, .gdb)."""
    driver = {".gpkg": "GPKG", ".shp": "ESRI Shapefile", ".gdb": "OpenFileGDB"}[path.suffix]
    # After writing a geodatabase GDAL also converts its extent to degrees, and complains that the
    # corners of the grid's maximal extent can't be; the features are complete by then. It takes a
    # second close to leave fiona's environment, which would end somebody else's later.
    harmless = (CPLE_AppDefinedError,) if path.suffix == ".gdb" else ()
    sink = fiona.open(
        path,
        "w",
        driver=driver,
        layer=table or path.stem,
        crs=crs,
        schema={"geometry": geometry, "properties": dict(schema)},
    )
    with closing(sink), suppress(*harmless), sink as collection:
        collection.writerecords(
            {
                "geometry": None if feature.geometry is None else mapping(feature.geometry),
                "properties": dict(feature.properties),
            }
            for feature in features
        )
    return path


def write_catchments(
    directory: Path,
    features: Sequence[Feature],
    *,
    suffix: str = ".gpkg",
    crs: str | None = "EPSG:27700",
) -> Path:
    """``nn_catchments`` with its published attribute names."""
    return write_features(
        directory / f"nn_catchments{suffix}",
        features,
        {"OID": "int", "N2K_Site_N": "str"},
        geometry="Polygon"
        if suffix == ".shp"
        else "MultiPolygon"
        if suffix == ".gdb"
        else "Unknown",
        crs=crs,
    )


def write_table(
    path: Path, table: str, columns: Sequence[str], rows: Sequence[Sequence[Value]]
) -> Path:
    """Add a table without types to an SQLite file, so that every value stays as it is given."""
    names = ", ".join(f'"{column}"' for column in columns)
    places = ", ".join("?" * len(columns))
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f'CREATE TABLE "{table}" ({names})')
        database.executemany(f'INSERT INTO "{table}" VALUES ({places})', rows)
    return path


WORKS_COLUMNS = (
    "Subcatchment_name",
    "WwTW_name",
    "WwTW_code",
    "Nitrogen_2025_2030",
    "Nitrogen_2030_onwards",
    "Phosphorus_2025_2030",
    "Phosphorus_2030_onwards",
)
RATES_COLUMNS = ("NN_Catchment", "Occ_Rate", "Water_Usage_L_Day")


def write_works(directory: Path, rows: Sequence[Sequence[Value]]) -> Path:
    """``WwTw_lookup`` in lookups.sqlite."""
    return write_table(directory / "lookups.sqlite", "WwTw_lookup", WORKS_COLUMNS, rows)


def write_rates(directory: Path, rows: Sequence[Sequence[Value]]) -> Path:
    """``rates_lookup`` in lookups.sqlite."""
    return write_table(directory / "lookups.sqlite", "rates_lookup", RATES_COLUMNS, rows)
