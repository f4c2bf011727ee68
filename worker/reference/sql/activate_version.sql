-- No rows: from the commit on, new jobs use this version; the history knows what they used before.
WITH recorded AS (
    INSERT INTO reference.switched_layers (switch_id, layer, version, previous_version)
    SELECT
        %(switch_id)s,
        %(layer)s,
        %(version)s,
        (SELECT version FROM reference.active_versions WHERE layer = %(layer)s)
)
INSERT INTO reference.active_versions (layer, version, activated_by, reason)
SELECT %(layer)s, %(version)s, made_by, coalesce(reason, action)
FROM reference.switches
WHERE id = %(switch_id)s
ON CONFLICT (layer) DO UPDATE
SET
    version = excluded.version,
    activated_by = excluded.activated_by,
    activated_at = now(),
    reason = excluded.reason
