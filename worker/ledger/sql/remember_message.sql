-- One row if this SQS message is new to the ledger, or was read as another job before: what it was
-- read as last decides whose it is. None if it is known; unless it is read it stays as it is.
INSERT INTO jobs.message (message_id, job_id)
VALUES (%(message_id)s, %(job_id)s)
ON CONFLICT (message_id) DO UPDATE SET job_id = excluded.job_id
    WHERE %(read)s AND message.job_id <> excluded.job_id
-- Only a row that an update has written has an xmax.
RETURNING xmax = 0 AS unseen
