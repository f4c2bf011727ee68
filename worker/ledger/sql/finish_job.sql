-- One row: the job with its final status.
UPDATE jobs.job
SET status = %(status)s::jobs.job_status, error_code = %(error_code)s,
    error_sentence = %(error_sentence)s, finished_at = clock_timestamp(),
    updated_at = clock_timestamp()
WHERE id = %(job_id)s AND status IN ('PENDING', 'IN_PROGRESS')
RETURNING id
