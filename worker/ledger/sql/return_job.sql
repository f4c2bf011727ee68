-- The job goes back to PENDING; an attempt that was cut short by us does not count.
UPDATE jobs.job
SET status = 'PENDING', attempts = attempts - %(uncounted)s, updated_at = clock_timestamp()
WHERE id = %(job_id)s AND status = 'IN_PROGRESS'
