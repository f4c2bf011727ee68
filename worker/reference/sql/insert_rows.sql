-- No rows: the staged rows become those of the version.
INSERT INTO {table} (version, id, {columns})
SELECT %(version)s, id, {columns}
FROM {staged}
ORDER BY id
