-- A "started" notice that nobody has sent yet says nothing once the job has ended.
UPDATE jobs.delivery
SET status = 'REJECTED', error_code = 'superseded'
WHERE job_id = %(job_id)s AND slot = 'started' AND status = 'PENDING'
    AND (claimed_until IS NULL OR claimed_until < clock_timestamp())
