-- At most one row: how many rows the active version of the layer has.
SELECT version.row_count
FROM reference.active_versions AS active
JOIN reference.layer_versions AS version USING (layer, version)
WHERE active.layer = %(layer)s
