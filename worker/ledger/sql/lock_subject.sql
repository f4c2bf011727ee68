-- At most one row: from here on, until the transaction ends, nobody else's request about the same
-- subject is registered, and those that were registered before are seen by the next statement.
SELECT pg_advisory_xact_lock(%(lock)s::integer, hashtext(subject))
FROM jobs.job
WHERE id = %(job_id)s AND subject IS NOT NULL
