-- One row a job of these types whose worker has stopped renewing: its attempt is closed, and the
-- job waits for another or, when all its attempts are used up, has timed out. A renewal or a result
-- that came first keeps the row out: the conditions are asked again of the newest version of each.
WITH due AS (
    SELECT j.id, a.id AS assignment_id
    FROM jobs.assignment AS a
    JOIN jobs.job AS j ON j.id = a.job_id
    WHERE a.completed_at IS NULL AND a.expires_at <= clock_timestamp()
        AND j.status = 'IN_PROGRESS' AND j.type = ANY (%(types)s)
    ORDER BY a.expires_at
    LIMIT 100
    FOR UPDATE OF j SKIP LOCKED
), expired AS (
    UPDATE jobs.assignment AS a
    SET completed_at = clock_timestamp(), outcome = 'expired'
    FROM due
    WHERE a.id = due.assignment_id AND a.completed_at IS NULL
        AND a.expires_at <= clock_timestamp()
    RETURNING a.job_id
)
UPDATE jobs.job AS j
SET status = CASE WHEN j.attempts < j.max_attempts THEN 'PENDING' ELSE 'TIMED_OUT'
        END::jobs.job_status,
    error_code = CASE WHEN j.attempts >= j.max_attempts THEN %(error_code)s END,
    error_sentence = CASE WHEN j.attempts >= j.max_attempts THEN %(error_sentence)s END,
    finished_at = CASE WHEN j.attempts >= j.max_attempts THEN clock_timestamp() END,
    updated_at = clock_timestamp()
FROM expired
WHERE j.id = expired.job_id AND j.status = 'IN_PROGRESS'
RETURNING j.id, j.uid, j.reopenings, j.key, j.type, j.status, j.correlation_id, j.payload
