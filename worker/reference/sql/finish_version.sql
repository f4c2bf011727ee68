-- No rows: the staged version is complete.
UPDATE reference.layer_versions
SET
    status = 'ready',
    row_count = %(row_count)s,
    report = %(report)s,
    loaded_at = now()
WHERE layer = %(layer)s AND version = %(version)s
