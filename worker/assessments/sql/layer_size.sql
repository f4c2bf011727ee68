-- One row: bytes that the parts of one version of a layer take on disk; null if it has none.
SELECT pg_table_size(tableoid) FROM {parts} WHERE version = %(version)s LIMIT 1
