-- One row: the job's status; nobody else changes it until the transaction ends.
SELECT status
FROM jobs.job
WHERE id = %(job_id)s
FOR UPDATE
