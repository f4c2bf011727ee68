-- One row: a site with the works, authority and subcatchment that share most area with it.
SELECT site.number, works.wwtw_id, authority.name, subcatchment.opcat_name
FROM bench_site AS site
LEFT JOIN LATERAL (
    SELECT wwtw_id FROM reference.wwtw_catchments AS feature
    WHERE feature.version = 1 AND ST_Intersects(feature.geom, site.geom)
    ORDER BY ST_Area(ST_Intersection(feature.geom, site.geom)) DESC LIMIT 1
) AS works ON true
LEFT JOIN LATERAL (
    SELECT name FROM reference.lpa_boundaries AS feature
    WHERE feature.version = 1 AND ST_Intersects(feature.geom, site.geom)
    ORDER BY ST_Area(ST_Intersection(feature.geom, site.geom)) DESC LIMIT 1
) AS authority ON true
LEFT JOIN LATERAL (
    SELECT opcat_name FROM reference.subcatchments AS feature
    WHERE feature.version = 1 AND ST_Intersects(feature.geom, site.geom)
    ORDER BY ST_Area(ST_Intersection(feature.geom, site.geom)) DESC LIMIT 1
) AS subcatchment ON true
