-- One row: how many deliveries of the job are still to be made.
SELECT count(*) FROM jobs.delivery WHERE job_id = %(job_id)s AND status = 'PENDING'
