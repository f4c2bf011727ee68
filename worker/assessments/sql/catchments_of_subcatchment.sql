-- One row: a catchment's site name, its lowest OID, and the area (m2) that its features share with
-- the operational subcatchment of the given name.
WITH subcatchment AS (
    SELECT part.geom
    FROM reference.subcatchments AS feature
    JOIN reference.subcatchments_parts AS part
        ON part.version = feature.version AND part.id = feature.id
    WHERE feature.version = %(subcatchments)s
        AND btrim(regexp_replace(feature.opcat_name, '\s+', ' ', 'g')) = %(name)s
)
SELECT btrim(regexp_replace(catchment.n2k_site_name, '\s+', ' ', 'g')) AS name,
    min(catchment.oid) AS oid,
    sum(ST_Area(ST_Intersection(subcatchment.geom, part.geom))) AS area_m2
FROM subcatchment
JOIN reference.nn_catchments_parts AS part
    ON part.version = %(nn_catchments)s AND part.geom && subcatchment.geom
JOIN reference.nn_catchments AS catchment
    ON catchment.version = part.version AND catchment.id = part.id
GROUP BY 1
