-- At most one row: when the job's result was stored, and the result.
SELECT created_at, payload
FROM jobs.result
WHERE job_id = %(job_id)s
