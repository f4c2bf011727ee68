-- At most one row: the open attempt of the job and the seconds its lease still runs.
SELECT id, extract(epoch FROM expires_at - clock_timestamp())::float8 AS remaining_s
FROM jobs.assignment
WHERE job_id = %(job_id)s AND completed_at IS NULL
