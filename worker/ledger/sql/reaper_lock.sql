-- One row: true for the one worker that reaps now, until its transaction ends.
SELECT pg_try_advisory_xact_lock(%(lock)s::bigint)
