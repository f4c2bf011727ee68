-- One row a job, newest first; a quote's reference names every job that it came with.
SELECT j.id, j.key, j.type, j.status, j.attempts, j.max_attempts, j.correlation_id,
    j.error_code, j.error_sentence, j.created_at, j.updated_at, j.finished_at,
    (SELECT count(*) FROM jobs.delivery AS d WHERE d.job_id = j.id AND d.status = 'PENDING')
        AS deliveries_pending
FROM jobs.job AS j
WHERE (%(status)s::text IS NULL OR j.status::text = %(status)s)
    AND (%(key)s::text IS NULL OR j.key = %(key)s OR j.correlation_id = %(key)s
        OR (%(key)s ~ '^NRF-[0-9]{6}$' AND starts_with(j.key, %(key)s || '-'))
        OR EXISTS (SELECT FROM jobs.message AS m
                   WHERE m.job_id = j.id AND m.message_id = %(key)s))
ORDER BY j.created_at DESC, j.id DESC
LIMIT %(limit)s
