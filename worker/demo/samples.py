"""What the demo's developers send: two good boundaries and an archive with its parts missing.

All are placed in the reference data that ``worker.reference.generate`` makes of ``SEED``.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

SEED = 2026
CELLS = 100_000

Ring = list[tuple[float, float]]

_MILL_LANE: Ring = [
    (461_500, 253_300),
    (461_745, 253_322),
    (461_760, 253_480),
    (461_655, 253_505),
    (461_640, 253_425),
    (461_510, 253_440),
    (461_500, 253_300),
]
_STATION_YARD: Ring = [
    (461_900, 253_600),
    (462_010, 253_590),
    (462_025, 253_675),
    (461_915, 253_690),
    (461_900, 253_600),
]
_ORCHARD_FIELD: Ring = [
    (469_700, 253_300),
    (469_905, 253_330),
    (469_880, 253_470),
    (469_720, 253_455),
    (469_700, 253_300),
]


def shapefile_archive() -> bytes:
    """A zipped shapefile with two sites, each with its name and number of dwellings."""
    sites = (("Mill Lane", 140, _MILL_LANE), ("Station Yard", 12, _STATION_YARD))
    with tempfile.TemporaryDirectory(prefix="nrf-sample-") as home:
        _write_shapefile(Path(home) / "site.shp", sites)
        return _zipped({file.name: file.read_bytes() for file in sorted(Path(home).iterdir())})


def incomplete_archive() -> bytes:
    """A shapefile whose sender forgot every part but one, as happens often."""
    complete = zipfile.ZipFile(BytesIO(shapefile_archive()))
    return _zipped({"site.shp": complete.read("site.shp")})


def assessment_message(job_id: str, key: str, development: str) -> Mapping[str, object]:
    """The backend's message about a boundary file in S3."""
    return {
        "job_id": job_id,
        "s3_input_key": key,
        "developer_email": "developer@example.com",
        "submitted_at": "2026-11-02T09:30:00Z",
        "development_name": development,
        "dwelling_type": "house",
        "number_of_dwellings": 152,
        "assessment_type": "nutrient",
    }


def quote_message(reference: str) -> Mapping[str, object]:
    """The backend's message about a quote, with the boundary in it as GeoJSON (EPSG:27700)."""
    return {
        "reference": reference,
        "boundaryGeojson": {
            "boundaryGeometryOriginal": {"type": "Polygon", "coordinates": [_ORCHARD_FIELD]},
            "intersectingEdps": [],
        },
        "housingUnits": 120,
        "developmentTypes": ["housing"],
    }


def _write_shapefile(path: Path, sites: tuple[tuple[str, int, Ring], ...]) -> None:
    # GDAL is slow to import, and only this function needs it.
    import fiona

    schema = {"geometry": "Polygon", "properties": {"Name": "str:80", "Dwellings": "int"}}
    with fiona.open(path, "w", driver="ESRI Shapefile", crs="EPSG:27700", schema=schema) as file:
        for name, dwellings, ring in sites:
            file.write(
                {
                    "geometry": {"type": "Polygon", "coordinates": [ring]},
                    "properties": {"Name": name, "Dwellings": dwellings},
                }
            )


def _zipped(members: Mapping[str, bytes]) -> bytes:
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return archive.getvalue()
