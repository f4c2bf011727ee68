-- One row: a part of a feature, after what the feature is called. A feature that was never
-- subdivided comes with a null, so that it can be missed instead of being taken for absent.
SELECT {key}, ST_AsBinary(part.geom)
FROM {layer} AS feature
LEFT JOIN {parts} AS part ON part.version = feature.version AND part.id = feature.id
WHERE feature.version = %(version)s
