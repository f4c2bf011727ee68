-- One row: the active version of a layer.
SELECT
    version.layer,
    version.version,
    version.label,
    version.source_sha256
FROM reference.active_versions AS active
JOIN reference.layer_versions AS version USING (layer, version)
ORDER BY version.layer
