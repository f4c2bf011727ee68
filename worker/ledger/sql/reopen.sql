-- One row: a failed job made open again, with its attempts forgotten. A job whose result is stored
-- is not computed again: it counts as succeeded, and what was rejected is delivered anew.
WITH stored AS (
    SELECT EXISTS (SELECT FROM jobs.result WHERE job_id = %(job_id)s) AS has_result
), again AS (
    UPDATE jobs.delivery
    SET status = 'PENDING', next_attempt_at = clock_timestamp(), claimed_until = NULL,
        error_code = NULL, error_detail = NULL
    FROM stored
    WHERE job_id = %(job_id)s AND status = 'REJECTED' AND slot NOT LIKE 'failed%%'
        AND error_code IS DISTINCT FROM 'superseded' AND payload IS NOT NULL AND stored.has_result
), unsent AS (
    -- News of the failure that nobody has sent yet would arrive after the new outcome.
    UPDATE jobs.delivery
    SET status = 'REJECTED', error_code = 'superseded'
    WHERE job_id = %(job_id)s AND status = 'PENDING' AND slot LIKE 'failed%%'
        AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
)
UPDATE jobs.job
SET status = CASE WHEN stored.has_result THEN 'SUCCEEDED' ELSE 'PENDING' END::jobs.job_status,
    finished_at = CASE WHEN stored.has_result THEN finished_at END,
    attempts = 0,
    reopenings = reopenings + 1,
    error_code = NULL,
    error_sentence = NULL,
    updated_at = clock_timestamp()
FROM stored
WHERE id = %(job_id)s AND status IN ('FAILED', 'TIMED_OUT')
RETURNING id, uid, status, payload_hash, attempts, max_attempts, reopenings, error_code
