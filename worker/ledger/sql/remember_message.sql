-- One row if this SQS message is new to the ledger, none if it was received before.
INSERT INTO jobs.message (message_id, job_id)
VALUES (%(message_id)s, %(job_id)s)
ON CONFLICT (message_id) DO NOTHING
RETURNING message_id
