-- One row: how many attempts since the job was (re)opened ended without a verdict.
SELECT count(*)
FROM jobs.assignment
WHERE job_id = %(job_id)s AND outcome = 'expired' AND reopening = %(reopenings)s
