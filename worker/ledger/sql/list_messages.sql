-- One row an SQS message that has brought the job, oldest first.
SELECT message_id, first_received_at
FROM jobs.message
WHERE job_id = %(job_id)s
ORDER BY first_received_at, message_id
