-- One row for each thing that operators did about the job or the message, oldest first.
SELECT action, message_id, note, made_by, made_at
FROM jobs.intervention
WHERE job_id = %(job_id)s OR message_id = %(message_id)s
ORDER BY id
