-- One row: a kind of problem, how many features have it, the first of them, and what is invalid
-- about that one.
WITH judged AS (
    SELECT
        id,
        CASE
            WHEN ST_IsEmpty(geom) THEN 'empty'
            WHEN GeometryType(geom) NOT IN ('POLYGON', 'MULTIPOLYGON') THEN 'not_polygonal'
            WHEN NOT geom @ ST_MakeEnvelope(%(west)s, %(south)s, %(east)s, %(north)s, 27700)
                THEN 'outside'
            WHEN NOT ST_IsValid(geom) THEN 'invalid'
        END AS problem
    FROM {table}
),
found AS (
    SELECT problem, count(*) AS features, min(id) AS first_id
    FROM judged
    WHERE problem IS NOT NULL
    GROUP BY problem
)
SELECT found.problem, found.features, found.first_id, ST_IsValidReason(feature.geom)
FROM found
JOIN {table} AS feature ON feature.id = found.first_id
ORDER BY found.problem
