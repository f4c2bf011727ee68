-- What an operator did, kept with the job or, where no job is known, with the message.
INSERT INTO jobs.intervention (job_id, message_id, action, note, made_by)
VALUES (%(job_id)s, %(message_id)s, %(action)s, %(note)s, %(made_by)s)
