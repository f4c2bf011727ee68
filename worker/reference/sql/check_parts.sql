-- One row: a feature whose pieces do not have its area, to a tenth of a square metre or a
-- millionth of it, whichever is more.
SELECT feature.id, ST_Area(feature.geom), coalesce(pieces.area_m2, 0)
FROM {table} AS feature
LEFT JOIN (
    SELECT id, sum(ST_Area(geom)) AS area_m2
    FROM {parts}
    GROUP BY id
) AS pieces USING (id)
WHERE
    abs(ST_Area(feature.geom) - coalesce(pieces.area_m2, 0))
    > greatest(0.1, 1e-6 * ST_Area(feature.geom))
ORDER BY feature.id
