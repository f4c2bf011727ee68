-- At most one row: the job of this key, with its payload unless that was erased.
SELECT id, key, type, status, correlation_id, payload
FROM jobs.job
WHERE key = %(key)s
