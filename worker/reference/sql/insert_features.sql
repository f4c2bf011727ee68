-- No rows: the staged features become those of the version, neighbours beside each other on disk
-- (PostGIS orders geometries along a Hilbert curve), in two dimensions.
INSERT INTO {table} (version, id, {columns}, geom)
SELECT %(version)s, id, {columns}, geom
FROM (
    SELECT id, {columns}, ST_Force2D(ST_GeomFromWKB(wkb, 27700)) AS geom
    FROM {staged}
) AS feature
ORDER BY geom
