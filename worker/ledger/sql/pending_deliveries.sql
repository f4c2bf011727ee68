-- One row: how many deliveries of the job are still to be made, and why it has failed, if it has.
SELECT (SELECT count(*) FROM jobs.delivery AS d WHERE d.job_id = j.id AND d.status = 'PENDING')
        AS pending,
    j.error_code, j.error_sentence
FROM jobs.job AS j
WHERE j.id = %(job_id)s
