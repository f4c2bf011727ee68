"""A boundary that came inside a message: GeoJSON that is parsed already, in EPSG:27700.

No GDAL and no child: the walk over the coordinates bounds depth, types and count by itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from worker.boundary import crs
from worker.boundary.crs import SourceCrs
from worker.boundary.geometry import AreaBudget, VertexBudget, polygonal
from worker.boundary.model import Boundary, BoundaryFeature
from worker.boundary.validate import check_shape

_WHERE = "The boundary"
_METRES_CALLED_WGS84 = (
    "The boundary names WGS 84 as its coordinate reference system but holds British National Grid"
    " metres; it was read as British National Grid."
)


def boundary_from_geojson(
    geometry: Mapping[str, object], *, max_vertices: int, max_area_ha: float
) -> Boundary:
    """The boundary of a quote: one Polygon or MultiPolygon, easting and northing in metres.

    Its ``crs`` member, if there is one, has to name EPSG:27700 or EPSG:4326. The contract says that
    coordinates are National Grid metres whatever it names, so degrees are refused and never
    converted. Raises BoundaryError: ``crs_unsupported``, ``crs_missing``, ``not_polygonal``,
    ``geometry_empty``, ``geometry_invalid``, ``coordinates_out_of_range``, ``too_many_vertices``,
    ``too_large``.
    """
    stated = (
        crs.from_geojson(geometry, with_heights=False)
        if "crs" in geometry
        else SourceCrs.BRITISH_NATIONAL_GRID
    )
    area = polygonal(geometry, _WHERE, VertexBudget(max_vertices))
    check_shape(area, _WHERE)
    area = crs.to_british_national_grid(area, SourceCrs.BRITISH_NATIONAL_GRID, _WHERE)
    AreaBudget(max_area_ha).take(area.area)
    return Boundary(
        features=(BoundaryFeature(number=1, geometry=area),),
        source_crs=SourceCrs.BRITISH_NATIONAL_GRID.value,
        has_dwellings=False,
        warnings=(_METRES_CALLED_WGS84,) if stated.is_degrees else (),
    )
