-- One row an attempt of the job, oldest first.
SELECT worker_id, claimed_at, completed_at, outcome, error_code, error_detail, reference_versions
FROM jobs.assignment
WHERE job_id = %(job_id)s
ORDER BY id
