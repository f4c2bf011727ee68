-- Stored once for each reference, however often the job is finished.
INSERT INTO jobs.delivery (job_id, slot, kind, reference, position, required, payload)
VALUES (%(job_id)s, %(slot)s, %(kind)s, %(reference)s, %(position)s, %(required)s, %(payload)s)
ON CONFLICT (reference) DO NOTHING
