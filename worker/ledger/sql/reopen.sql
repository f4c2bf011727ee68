-- At most one row: a failed job made open again, with its attempts forgotten. A job whose result is
-- stored is not computed again: it counts as succeeded, and what was rejected is delivered anew.
-- Once the personal data was erased there is nothing left to deliver: the result goes too, and the
-- job is computed again from the message that brings it.
WITH failed AS (
    SELECT j.id, j.erased_at IS NULL
        AND EXISTS (SELECT FROM jobs.result AS r WHERE r.job_id = j.id) AS has_result
    FROM jobs.job AS j
    WHERE j.id = %(job_id)s AND j.status IN ('FAILED', 'TIMED_OUT')
), outdated AS (
    DELETE FROM jobs.result USING failed WHERE job_id = failed.id AND NOT failed.has_result
), again AS (
    -- Without the notice of the start, which says nothing once there is a result, and without what
    -- an earlier erasure has left.
    UPDATE jobs.delivery
    SET status = 'PENDING', next_attempt_at = clock_timestamp(), claimed_until = NULL,
        error_code = NULL, error_detail = NULL
    FROM failed
    WHERE job_id = failed.id AND status = 'REJECTED'
        AND slot <> 'started' AND slot NOT LIKE 'failed%%'
        AND error_code IS DISTINCT FROM 'superseded' AND payload IS NOT NULL AND failed.has_result
), unsent AS (
    -- News of the failure that has not arrived yet would come after the new outcome. What is under
    -- way keeps its claim, so that it is recorded if it arrives and not sent again if it does not.
    UPDATE jobs.delivery
    SET status = 'REJECTED', error_code = 'superseded'
    FROM failed
    WHERE job_id = failed.id AND status = 'PENDING' AND slot LIKE 'failed%%'
)
UPDATE jobs.job
SET status = CASE WHEN failed.has_result THEN 'SUCCEEDED' ELSE 'PENDING' END::jobs.job_status,
    -- Anew, also for an erasure that has found it before it was opened.
    finished_at = CASE WHEN failed.has_result THEN clock_timestamp() END,
    erased_at = NULL,
    attempts = 0,
    reopenings = reopenings + 1,
    error_code = NULL,
    error_sentence = NULL,
    updated_at = clock_timestamp()
FROM failed
WHERE job.id = failed.id AND status IN ('FAILED', 'TIMED_OUT')
RETURNING job.id, uid, status, payload_hash, attempts, max_attempts, reopenings, error_code,
    job.asked_at
