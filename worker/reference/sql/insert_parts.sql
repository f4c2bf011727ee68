-- No rows: every feature again, in polygons of at most 128 vertices.
INSERT INTO {parts} (version, id, geom)
SELECT version, id, geom
FROM (
    SELECT version, id, (ST_Dump(ST_Subdivide(geom, 128))).geom AS geom
    FROM {table}
) AS piece
WHERE ST_Dimension(geom) = 2
ORDER BY geom
