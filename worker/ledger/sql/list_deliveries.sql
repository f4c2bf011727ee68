-- One row a delivery of the job, in the order in which they are made.
SELECT slot, kind, status, required, attempts, reference::text AS reference, error_code, error_detail,
    created_at, next_attempt_at, delivered_at, response
FROM jobs.delivery
WHERE job_id = %(job_id)s
ORDER BY position, id
