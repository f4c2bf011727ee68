-- One row a job whose payload and deliveries no longer name anybody; at most 1,000 at a time.
WITH due AS (
    SELECT j.id
    FROM jobs.job AS j
    WHERE j.finished_at < clock_timestamp() - make_interval(days => %(retention_days)s)
        AND j.erased_at IS NULL
        AND NOT EXISTS (SELECT FROM jobs.delivery AS d
                        WHERE d.job_id = j.id AND d.status = 'PENDING')
    ORDER BY j.finished_at
    LIMIT 1000
    FOR UPDATE SKIP LOCKED
), deliveries AS (
    UPDATE jobs.delivery SET payload = NULL FROM due WHERE job_id = due.id
)
UPDATE jobs.job
SET payload = NULL, erased_at = clock_timestamp()
FROM due
WHERE job.id = due.id
RETURNING job.id
