"""The public codes of refusals: stable, since requesters and dashboards know them by name."""

from __future__ import annotations

BOUNDARY_CODES = frozenset(
    {
        "archive_rejected",
        "boundary_unreadable",
        "coordinates_out_of_range",
        "crs_missing",
        "crs_unsupported",
        "dwellings_invalid",
        "dwellings_missing",
        "geometry_empty",
        "geometry_invalid",
        "geometry_null",
        "not_a_boundary_file",
        "not_polygonal",
        "shapefile_incomplete",
        "survey_ponds_invalid",
        "too_large",
        "too_many_vertices",
        # The worker's own fault: it has no accurate way from WGS 84 to the National Grid.
        "transformation_unavailable",
    }
)
