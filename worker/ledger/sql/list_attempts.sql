-- One row an attempt of the job, oldest first. ``held`` says whether its lease still runs.
SELECT worker_id, claimed_at, renewed_at, expires_at, completed_at, outcome, error_code, error_detail,
    reference_versions, completed_at IS NULL AND expires_at > clock_timestamp() AS held
FROM jobs.assignment
WHERE job_id = %(job_id)s
ORDER BY id
