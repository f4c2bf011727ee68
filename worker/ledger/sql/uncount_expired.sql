-- An attempt that somebody else has ended because its lease had passed: it is no longer one of those
-- that vanished, and its job, while that is open, has one attempt less. The job must be locked.
WITH uncounted AS (
    UPDATE jobs.assignment
    SET outcome = %(outcome)s, error_code = %(error_code)s, error_detail = %(error_detail)s
    WHERE token = %(token)s AND outcome = 'expired'
    RETURNING job_id, reopening
)
UPDATE jobs.job AS j
SET attempts = j.attempts - 1
FROM uncounted
WHERE j.id = uncounted.job_id AND j.reopenings = uncounted.reopening
    AND j.status IN ('PENDING', 'IN_PROGRESS')
