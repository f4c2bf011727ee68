-- One row: the snapshot that this transaction reads from now on, and when it was taken.
SELECT pg_current_snapshot()::text AS snapshot, statement_timestamp() AS taken_at
