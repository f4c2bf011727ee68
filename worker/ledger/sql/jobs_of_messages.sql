-- One row a message that the ledger has seen: its job.
SELECT m.message_id, j.id, j.key, j.type, j.status, j.correlation_id, j.error_code,
    j.error_sentence
FROM jobs.message AS m
JOIN jobs.job AS j ON j.id = m.job_id
WHERE m.message_id = ANY (%(message_ids)s)
