"""Checks of one geometry, made before and after reprojection; nothing is ever repaired."""

from __future__ import annotations

import re

import numpy as np
import shapely

from worker.boundary.model import Area
from worker.errors import BoundaryError

# British National Grid squares that hold land: S and N columns to 700 km, up to 1300 km north.
MAX_EASTING_M = 700_000.0
MAX_NORTHING_M = 1_300_000.0

_PLACE = re.compile(r"^(?P<reason>[^\[]+)\[(?P<x>\S+) (?P<y>\S+)\]$")


def check_shape(area: Area, where: str) -> None:
    """Polygonal, not empty, finite and valid, in whatever coordinates.

    Raises BoundaryError: ``not_polygonal``, ``geometry_empty``, ``coordinates_out_of_range``,
    ``geometry_invalid`` (with the place of the first fault).
    """
    if area.geom_type not in {"Polygon", "MultiPolygon"}:
        raise BoundaryError("not_polygonal", f"{where} is not a polygon.")
    if area.is_empty or any(part.is_empty for part in shapely.get_parts(area)):
        raise BoundaryError("geometry_empty", f"{where} has an empty geometry.")
    if not np.isfinite(shapely.get_coordinates(area)).all():
        raise BoundaryError(
            "coordinates_out_of_range", f"{where} has a coordinate that is not a finite number."
        )
    if not shapely.is_valid(area):
        raise BoundaryError(
            "geometry_invalid",
            f"{where} is not a valid polygon: {_fault(area)}. Please correct the drawing there.",
        )


def check_extent(area: Area, where: str) -> None:
    """Within the National Grid's extent of Great Britain, metres.

    Raises BoundaryError ``coordinates_out_of_range``.
    """
    west, south, east, north = area.bounds
    if 0 <= west and east <= MAX_EASTING_M and 0 <= south and north <= MAX_NORTHING_M:
        return
    raise BoundaryError(
        "coordinates_out_of_range",
        f"{where} lies outside Great Britain (easting {west:.0f} to {east:.0f}, northing"
        f" {south:.0f} to {north:.0f}). Please check its coordinate reference system.",
    )


def looks_like_degrees(area: Area) -> bool:
    """Whether every coordinate could be a longitude and latitude; 180 m of grid are open sea."""
    west, south, east, north = area.bounds
    return bool(-180 <= west and east <= 180 and -90 <= south and north <= 90)


def _fault(area: Area) -> str:
    """GEOS's reason and its place in a sentence of ours."""
    reason = str(shapely.is_valid_reason(area))
    found = _PLACE.match(reason)
    if not found:
        return reason.lower()
    return f"{found['reason'].strip().lower()} at {found['x']}, {found['y']}"
