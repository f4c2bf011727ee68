-- One row while the token is the open one; none means that another worker owns the job now.
UPDATE jobs.assignment
SET completed_at = clock_timestamp(), outcome = %(outcome)s,
    error_code = %(error_code)s, error_detail = %(error_detail)s
WHERE token = %(token)s AND completed_at IS NULL
RETURNING id, job_id
