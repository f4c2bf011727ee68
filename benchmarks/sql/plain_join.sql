-- One row: a piece of a site in a cell and a catchment, with its area (m2). The condition stands
-- outside, so that the planner is free to evaluate the intersection twice.
SELECT number, cell, oid, n_coefficient, p_coefficient, n_residential, p_residential, area_m2
FROM (
    SELECT site.number, cell.id AS cell, catchment.oid,
        cell.lu_curr_n_coeff AS n_coefficient, cell.lu_curr_p_coeff AS p_coefficient,
        cell.n_resi_coeff AS n_residential, cell.p_resi_coeff AS p_residential,
        ST_Area(
            ST_Intersection(ST_Intersection(site.geom, cell.geom), catchment.geom)
        ) AS area_m2
    FROM bench_site AS site
    JOIN reference.coefficient_layer AS cell
        ON cell.version = 1 AND ST_Intersects(site.geom, cell.geom)
    JOIN reference.nn_catchments AS catchment
        ON catchment.version = 1
        AND ST_Intersects(site.geom, catchment.geom)
        AND ST_Intersects(cell.geom, catchment.geom)
) AS piece
WHERE area_m2 > 0
