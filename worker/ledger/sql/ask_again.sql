-- One row if the job was never asked for so late: it counts as asked for at that time from here on.
-- If that makes it the latest request about its subject, and another was later until now, what was
-- delivered of it before, or withheld, is due again: the other may have been delivered meanwhile.
-- Once the personal data was erased there is nothing left to deliver: the result goes too, and the
-- job is computed again from the message that brings it. The job and its subject must be locked.
WITH asked AS (
    SELECT j.id, j.erased_at IS NOT NULL AS is_erased,
        j.status = 'SUCCEEDED'
        AND EXISTS (
            SELECT FROM jobs.job AS o
            WHERE o.subject = j.subject AND (o.asked_at, o.id) > (j.asked_at, j.id)
        )
        AND NOT EXISTS (
            SELECT FROM jobs.job AS o
            WHERE o.subject = j.subject AND (o.asked_at, o.id) > (%(asked_at)s::timestamptz, j.id)
        ) AS is_latest_again
    FROM jobs.job AS j
    WHERE j.id = %(job_id)s AND j.asked_at < %(asked_at)s
), due AS (
    -- What somebody is sending right now arrives after whatever was sent before it. One whose time
    -- to send is over has lost its claim for good, so that it cannot record what is outdated.
    UPDATE jobs.delivery AS d
    SET status = 'PENDING', created_at = clock_timestamp(), next_attempt_at = clock_timestamp(),
        claimed_by = NULL, claimed_until = NULL, delivered_at = NULL, response = NULL,
        error_code = NULL, error_detail = NULL
    FROM asked
    WHERE d.job_id = asked.id AND d.required AND d.payload IS NOT NULL
        AND asked.is_latest_again AND NOT asked.is_erased
        AND (d.claimed_until IS NULL OR d.claimed_until < clock_timestamp())
), outdated AS (
    DELETE FROM jobs.result AS r
    USING asked
    WHERE r.job_id = asked.id AND asked.is_latest_again AND asked.is_erased
)
UPDATE jobs.job AS j
SET asked_at = %(asked_at)s,
    status = CASE WHEN anew THEN 'PENDING' ELSE j.status END,
    -- Anew, also for an erasure that has found it before what was delivered was due again.
    finished_at = CASE
        WHEN anew THEN NULL WHEN is_latest_again THEN clock_timestamp() ELSE j.finished_at END,
    erased_at = CASE WHEN NOT anew THEN j.erased_at END,
    attempts = CASE WHEN anew THEN 0 ELSE j.attempts END,
    reopenings = j.reopenings + CASE WHEN anew THEN 1 ELSE 0 END,
    updated_at = CASE WHEN anew THEN clock_timestamp() ELSE j.updated_at END
FROM (SELECT *, is_latest_again AND is_erased AS anew FROM asked) AS asked
WHERE j.id = asked.id
RETURNING j.id, uid, status, payload_hash, attempts, max_attempts, reopenings, error_code,
    j.asked_at
