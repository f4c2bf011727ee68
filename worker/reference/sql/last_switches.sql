-- One row: a layer, its active version, and the last switch that moved it.
SELECT DISTINCT ON (moved.layer)
    moved.layer,
    active.version AS active_version,
    moved.version,
    moved.previous_version,
    previous.status AS previous_status,
    switch.id AS switch_id,
    switch.action
FROM reference.switched_layers AS moved
JOIN reference.switches AS switch ON switch.id = moved.switch_id
LEFT JOIN reference.active_versions AS active USING (layer)
LEFT JOIN reference.layer_versions AS previous
    ON previous.layer = moved.layer AND previous.version = moved.previous_version
ORDER BY moved.layer, moved.switch_id DESC
