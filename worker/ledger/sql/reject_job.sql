-- One row: the identity of the job, unless it had failed before; what was still to be delivered
-- after the rejected delivery is not sent.
WITH dropped AS (
    UPDATE jobs.delivery
    SET status = 'REJECTED', error_code = 'held_back'
    WHERE job_id = %(job_id)s AND status = 'PENDING'
)
UPDATE jobs.job
SET status = 'FAILED', error_code = %(error_code)s, error_sentence = %(error_sentence)s,
    finished_at = clock_timestamp(), updated_at = clock_timestamp()
WHERE id = %(job_id)s AND status = 'SUCCEEDED'
RETURNING id, uid, reopenings
