-- One row: the number of the version that is about to be loaded.
INSERT INTO reference.layer_versions (
    layer, version, label, status, source_name, source_sha256, loaded_by
)
SELECT
    %(layer)s,
    coalesce(max(version), 0) + 1,
    %(label)s,
    'loading',
    %(source_name)s,
    %(source_sha256)s,
    %(loaded_by)s
FROM reference.layer_versions
WHERE layer = %(layer)s
RETURNING version
