-- One row: a version of a layer that has its rows, newest first, and since when and by whose doing
-- it is active if it is.
SELECT
    version.layer,
    version.version,
    version.label,
    version.status,
    version.source_name,
    version.source_sha256,
    version.row_count,
    version.loaded_by,
    version.loaded_at,
    active.activated_at,
    active.activated_by
FROM reference.layer_versions AS version
LEFT JOIN reference.active_versions AS active USING (layer, version)
WHERE version.status <> 'pruned'
ORDER BY version.layer, version.version DESC
