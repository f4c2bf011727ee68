-- A "started" notice that has not arrived yet says nothing once the job has ended. One that is under
-- way keeps its claim, so that it is recorded if it arrives and not sent again if it does not.
UPDATE jobs.delivery
SET status = 'REJECTED', error_code = 'superseded'
WHERE job_id = %(job_id)s AND slot = 'started' AND status = 'PENDING'
