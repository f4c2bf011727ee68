-- One row while the claim is ours: how one attempt at a delivery ended. One that was withheld while
-- it was under way (the job was cancelled, opened again or has ended) is recorded if it arrived.
-- The code of a refusal stays when there was no answer this time: we are refused until we are told
-- otherwise.
UPDATE jobs.delivery
SET status = %(status)s::jobs.delivery_status,
    delivered_at = CASE WHEN %(status)s = 'DELIVERED' THEN clock_timestamp() END,
    next_attempt_at = clock_timestamp() + make_interval(secs => %(wait_s)s),
    claimed_by = NULL, claimed_until = NULL,
    error_code = CASE WHEN error_code = ANY (%(kept_codes)s) THEN error_code
        ELSE %(error_code)s END,
    error_detail = %(error_detail)s, response = %(response)s
WHERE id = %(id)s AND claimed_by = %(token)s
    AND (status = 'PENDING'
        OR (error_code IN ('cancelled', 'superseded') AND %(status)s = 'DELIVERED'))
RETURNING id
