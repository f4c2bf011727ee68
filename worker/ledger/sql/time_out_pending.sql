-- One row a job of these types that nobody has started for too long: its message is gone, or in the
-- DLQ.
WITH due AS (
    SELECT id
    FROM jobs.job
    WHERE status = 'PENDING' AND type = ANY (%(types)s)
        AND updated_at < clock_timestamp() - make_interval(secs => %(limit_s)s)
    ORDER BY updated_at
    LIMIT 100
    FOR UPDATE SKIP LOCKED
)
UPDATE jobs.job AS j
SET status = 'TIMED_OUT', error_code = %(error_code)s, error_sentence = %(error_sentence)s,
    finished_at = clock_timestamp(), updated_at = clock_timestamp()
FROM due
WHERE j.id = due.id AND j.status = 'PENDING'
RETURNING j.id, j.uid, j.reopenings, j.key, j.type, j.status, j.correlation_id, j.payload
