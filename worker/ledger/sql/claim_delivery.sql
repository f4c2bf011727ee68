-- At most one row: the next delivery that is due, claimed for this worker. Of one job's deliveries
-- the earlier goes first, and a required one that is still pending holds back those after it. One
-- that was refused with the given code goes before all others, due or not.
WITH due AS (
    SELECT d.id
    FROM jobs.delivery AS d
    WHERE d.status = 'PENDING'
        AND (%(job_id)s::bigint IS NULL OR d.job_id = %(job_id)s)
        AND (d.next_attempt_at <= clock_timestamp() OR %(job_id)s::bigint IS NOT NULL
            OR d.error_code = %(refused_as)s::text)
        AND (d.claimed_until IS NULL OR d.claimed_until < clock_timestamp())
        AND d.id <> ALL (%(skip)s)
        AND split_part(d.kind, '.', 1) <> ALL (%(avoid)s)
        AND NOT EXISTS (
            SELECT FROM jobs.delivery AS earlier
            WHERE earlier.job_id = d.job_id AND earlier.position < d.position
                AND earlier.status = 'PENDING' AND earlier.required
        )
    ORDER BY
        coalesce(d.error_code = %(refused_as)s::text, FALSE) DESC,
        CASE WHEN %(job_id)s::bigint IS NULL THEN d.next_attempt_at END,
        d.job_id, d.position
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
UPDATE jobs.delivery AS d
SET claimed_by = %(token)s, attempts = d.attempts + 1,
    claimed_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
FROM due, jobs.job AS j
WHERE d.id = due.id AND j.id = d.job_id
RETURNING d.id, d.job_id, j.key AS job_key, j.correlation_id, d.slot, d.kind,
    d.reference::text AS reference, d.required, d.payload, d.attempts
