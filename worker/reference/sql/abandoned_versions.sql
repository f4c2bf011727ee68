-- One row: a version whose load ended before it was complete.
SELECT layer, version
FROM reference.layer_versions
WHERE status = 'loading'
ORDER BY layer, version
