-- One row: the new attempt. Counted before the work starts, so a job that kills the process counts.
-- A payload that was erased before the job was opened again is stored anew.
WITH counted AS (
    UPDATE jobs.job
    SET status = 'IN_PROGRESS', attempts = attempts + 1, payload = coalesce(payload, %(payload)s),
        updated_at = clock_timestamp()
    WHERE id = %(job_id)s AND status IN ('PENDING', 'IN_PROGRESS')
    RETURNING id, attempts
)
INSERT INTO jobs.assignment (job_id, worker_id, reopening, reference_versions, expires_at)
SELECT id, %(worker_id)s, %(reopenings)s, %(reference_versions)s,
    clock_timestamp() + make_interval(secs => %(lease_s)s)
FROM counted
RETURNING token, (SELECT attempts FROM counted) AS attempt
