-- One row: what a site shares with a cell and a catchment, in hectares. The plain three-way join on
-- features that were never subdivided: slow, and written without a thought for the worker's way.
SELECT site.number, cell.id AS cell, catchment.oid,
    sum(ST_Area(ST_Intersection(ST_Intersection(site.geom, cell.geom), catchment.geom))) / 10000
FROM (
    SELECT number, ST_GeomFromWKB(wkb, 27700) AS geom
    FROM unnest(%(numbers)s::int4[], %(wkbs)s::bytea[]) AS given (number, wkb)
) AS site
JOIN reference.coefficient_layer AS cell
    ON cell.version = %(version)s AND ST_Intersects(cell.geom, site.geom)
JOIN reference.nn_catchments AS catchment
    ON catchment.version = %(version)s AND ST_Intersects(catchment.geom, site.geom)
GROUP BY site.number, cell.id, catchment.oid
HAVING sum(ST_Area(ST_Intersection(ST_Intersection(site.geom, cell.geom), catchment.geom))) > 1e-4
