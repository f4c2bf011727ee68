"""Which coordinate reference system a file is in, and the way from WGS 84 to the National Grid.

PROJ without the OSTN15 grid is 3.4 m off in Norfolk, so it is used to recognise systems only.
Coordinates are converted by ``convertbng``, which carries OSTN15 and gives the Ordnance Survey's
published values to the millimetre; it proves so on one published point before its first use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import shapely

from worker.boundary.model import Area
from worker.boundary.validate import check_extent, check_shape, looks_like_degrees
from worker.errors import BoundaryError

if TYPE_CHECKING:
    from fiona.crs import CRS

# Ordnance Survey, "Transformations and OSGM15 user guide": longitude, latitude, easting, northing.
PUBLISHED_POINT = (1.716073973, 52.658007833, 651_409.804, 313_177.450)
_PUBLISHED_TOLERANCE_M = 0.001 + 1e-6

# A straight side in degrees is not straight on the grid; 0.0005 degrees is 30 to 55 m here.
_SEGMENT_DEGREES = 0.0005
_DENSIFY_ABOVE_M2 = 1.0
# Bounds the memory for a ring that runs to and fro across the country.
_MAX_ADDED_POINTS = 200_000

_EPSG_NAME = re.compile(
    r"(?i)(?:urn:(?:x-)?ogc:def:crs:)?epsg:(?:[\d.]*:)?(\d{1,6})"
    r"|https?://www\.opengis\.net/(?:def/crs/epsg/[\d.]+/|gml/srs/epsg\.xml#)(\d{1,6})"
)
_CRS84_NAME = re.compile(
    r"(?i)(?:urn:ogc:def:crs:)?ogc:(?:[\d.]*:)?crs84h?|crs84h?"
    r"|https?://www\.opengis\.net/def/crs/ogc/[\d.]+/crs84h?"
)

# ArcGIS writes a system of heights behind the other one, and the unit of ellipsoidal heights into
# it; PROJ refuses both where the heights are above the ellipsoid.
_ESRI_HEIGHTS = re.compile(
    r"(?is)(?<=\])\s*,\s*VERTCS\s*\[.*|,\s*LINUNIT\s*\[[^\]]*\](?=\s*\]\s*$)"
)
# British National Grid as programs wrote it that rounded the scale factor, which moves no place by
# more than 0.4 mm, or kept another digit of Airy's flattening, which moves it by less. No other
# number is taken for nearly the right one.
_OLD_SPELLINGS = (
    (re.compile(r'(?i)("scale_factor"\s*,\s*)0\.999601272(?=\s*\])'), r"\g<1>0.9996012717"),
    (re.compile(r"(\b6377563\.396\s*,\s*)299\.32496127(?=\s*[,\]])"), r"\g<1>299.3249646"),
)


class SourceCrs(StrEnum):
    """The systems that are accepted; coordinates are always easting or longitude first."""

    BRITISH_NATIONAL_GRID = "EPSG:27700"
    WGS84 = "EPSG:4326"
    CRS84 = "OGC:CRS84"

    @property
    def is_degrees(self) -> bool:
        return self is not SourceCrs.BRITISH_NATIONAL_GRID


def from_epsg(code: int | None) -> SourceCrs | None:
    """The accepted system with this EPSG code, if there is one; 4979 is WGS 84 with heights."""
    accepted = {
        27700: SourceCrs.BRITISH_NATIONAL_GRID,
        4326: SourceCrs.WGS84,
        4979: SourceCrs.WGS84,
    }
    return accepted.get(code or 0)


def from_geojson(document: Mapping[str, object], *, with_heights: bool = True) -> SourceCrs:
    """The ``crs`` member of a GeoJSON object; without one it is WGS 84 (RFC 7946).

    ``with_heights``: it may name a system of heights beside an accepted one, which PROJ is loaded
    to tell. Raises BoundaryError: ``crs_missing`` (an explicit null), ``crs_unsupported``.
    """
    if "crs" not in document:
        return SourceCrs.CRS84
    name: object = None
    match document["crs"]:
        case None:
            raise BoundaryError(
                "crs_missing",
                "The GeoJSON says that its coordinate reference system is unknown (crs is null)."
                " Please state EPSG:27700, or leave crs out for WGS 84.",
            )
        case {"type": "name", "properties": {"name": str(name)}}:
            if _CRS84_NAME.fullmatch(name.strip()):
                return SourceCrs.CRS84
            found = _EPSG_NAME.fullmatch(name.strip())
            code = int(found[1] or found[2]) if found else None
            accepted = from_epsg(code)
            if accepted is None and code is not None and with_heights:
                accepted = _without_heights(code)
            if accepted:
                return accepted
    raise _unsupported(str(name) if name else "")


def from_prj(content: bytes | None) -> SourceCrs:
    """The system of a shapefile's .prj, in ESRI's or OGC's dialect of WKT.

    Compared by parameters, never by name: PROJ identifies a system only if datum, projection,
    parameters and units agree. Raises BoundaryError: ``crs_missing``, ``crs_unsupported``.
    """
    text = (content or b"").decode("utf-8-sig", errors="replace").strip()
    if not text:
        raise BoundaryError(
            "crs_missing",
            "The shapefile's .prj file is missing or empty, so its coordinate reference system is"
            " unknown. Please export the shapefile again with its .prj file.",
        )
    wkt = _ESRI_HEIGHTS.sub("", text)
    for spelling, figure in _OLD_SPELLINGS:
        wkt = spelling.sub(figure, wkt)
    accepted = _identified(wkt)
    if accepted is None:
        name = re.match(r'\s*\w+\s*\[\s*"([^"]*)"', text)
        raise _unsupported(name[1] if name else "")
    return accepted


# Identifying takes PROJ some milliseconds; the usual text is identified while the child warms up.
@cache
def _identified(wkt: str) -> SourceCrs | None:
    from fiona.crs import CRS
    from fiona.errors import CRSError

    try:
        return _accepted(CRS.from_wkt(wkt, morph_from_esri_dialect=True))
    except CRSError:
        return None


@cache
def _without_heights(code: int) -> SourceCrs | None:
    from fiona.crs import CRS
    from fiona.errors import CRSError

    try:
        return _accepted(CRS.from_epsg(code))
    except CRSError:
        return None


def _accepted(system: CRS) -> SourceCrs | None:
    match system.to_dict(projjson=True):
        # With a system of heights beside it; heights are dropped.
        case {"type": "CompoundCRS", "components": [dict(horizontal), *_]}:
            system = system.from_dict(horizontal)
    # CRS84 is EPSG:4326 with its axes in the order that files use anyway.
    if system.to_authority() in (("OGC", "CRS84"), ("OGC", "CRS84h")):
        return SourceCrs.CRS84
    return from_epsg(system.to_epsg())


def _unsupported(name: str) -> BoundaryError:
    shown = re.sub(r"[^\w :./()+-]", "", name, flags=re.ASCII)[:80].strip()
    return BoundaryError(
        "crs_unsupported",
        f"The coordinate reference system {f'({shown}) ' if shown else ''}is not one that can be"
        " used. Please save the boundary in British National Grid (EPSG:27700) or WGS 84"
        " (EPSG:4326).",
    )


def to_british_national_grid(area: Area, source: SourceCrs, where: str) -> Area:
    """``area`` in EPSG:27700, checked there again.

    Raises BoundaryError: ``coordinates_out_of_range``, ``geometry_invalid``,
    ``transformation_unavailable`` if the conversion is not accurate.
    """
    if source.is_degrees:
        _check_degrees(area, where)
        area = _convert(area, where)
        check_shape(area, f"{where}, converted to British National Grid,")
    elif looks_like_degrees(area):
        raise BoundaryError(
            "coordinates_out_of_range",
            f"{where} has coordinates that look like degrees, but should be British National Grid"
            " metres. Please check its coordinate reference system.",
        )
    check_extent(area, where)
    return area


def _check_degrees(area: Area, where: str) -> None:
    west, south, east, north = area.bounds
    if not looks_like_degrees(area):
        raise BoundaryError(
            "coordinates_out_of_range",
            f"{where} should be in degrees (WGS 84), but its coordinates are larger. If they are"
            " British National Grid metres, the file has to say so (EPSG:27700).",
        )
    if 49 <= west and east <= 61.5 and -9.5 <= south and north <= 2.5:
        raise BoundaryError(
            "coordinates_out_of_range",
            f"{where} seems to have latitude and longitude swapped. Please write the longitude"
            " first.",
        )


def _convert(area: Area, where: str) -> Area:
    _prove_accuracy()
    plain = _transformed(area, where)
    step = max(_SEGMENT_DEGREES, area.length / _MAX_ADDED_POINTS)
    dense = _transformed(shapely.segmentize(area, step), where)
    return dense if abs(dense.area - plain.area) > _DENSIFY_ABOVE_M2 else plain


def _transformed(area: Area, where: str) -> Area:
    degrees = shapely.get_coordinates(area)
    metres = np.column_stack(_eastings_northings(degrees[:, 0], degrees[:, 1]))
    if not np.isfinite(metres).all():
        west, south, east, north = area.bounds
        raise BoundaryError(
            "coordinates_out_of_range",
            f"{where} lies outside Great Britain (longitude {west:.4f} to {east:.4f}, latitude"
            f" {south:.4f} to {north:.4f}).",
        )
    converted: Area = shapely.transform(area, lambda _: metres)
    return converted


def _eastings_northings(
    longitudes: npt.NDArray[np.float64], latitudes: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Metres, rounded to the millimetre; NaN where OSTN15 has no value."""
    from convertbng.cutil import convert_bng

    eastings, northings = convert_bng(
        np.ascontiguousarray(longitudes), np.ascontiguousarray(latitudes)
    )
    return np.asarray(eastings, dtype=np.float64), np.asarray(northings, dtype=np.float64)


@cache
def published_point_error_m() -> float:
    """How far the published point is off; metres of error would not show in any result."""
    longitude, latitude, easting, northing = PUBLISHED_POINT
    eastings, northings = _eastings_northings(np.array([longitude]), np.array([latitude]))
    return float(np.hypot(eastings[0] - easting, northings[0] - northing))


def _prove_accuracy() -> None:
    error_m = published_point_error_m()
    # Written so that NaN fails too.
    if not error_m <= _PUBLISHED_TOLERANCE_M:
        raise BoundaryError(
            "transformation_unavailable",
            "WGS 84 coordinates cannot be converted accurately at the moment. Please send the"
            " boundary in British National Grid (EPSG:27700).",
            detail=f"published point is off by {error_m:.3f} m",
        )
