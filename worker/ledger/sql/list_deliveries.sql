-- One row a delivery of the job, in the order in which they are made.
SELECT slot, kind, status, attempts, reference::text AS reference, error_code, error_detail,
    delivered_at, response
FROM jobs.delivery
WHERE job_id = %(job_id)s
ORDER BY position, id
