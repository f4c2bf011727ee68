-- One row: a layer of a switch, newest switch first.
SELECT
    switch.id AS switch_id,
    switch.made_at,
    switch.made_by,
    switch.action,
    switch.reason,
    moved.layer,
    moved.previous_version,
    moved.version,
    version.label,
    version.status,
    version.source_sha256,
    version.row_count
FROM reference.switches AS switch
JOIN reference.switched_layers AS moved ON moved.switch_id = switch.id
JOIN reference.layer_versions AS version USING (layer, version)
ORDER BY switch.id DESC, moved.layer
LIMIT %(limit)s
