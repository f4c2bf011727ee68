-- One row if the delivery, still claimed with this token, is withheld because of a later request.
-- The job must be locked: it cannot be asked for again at the same moment.
UPDATE jobs.delivery AS d
SET status = 'REJECTED', error_code = 'superseded', error_detail = 'by ' || later.key,
    claimed_by = NULL, claimed_until = NULL
FROM jobs.job AS j
CROSS JOIN LATERAL (
    SELECT o.key
    FROM jobs.job AS o
    WHERE o.subject = j.subject AND (o.asked_at, o.id) > (j.asked_at, j.id)
    ORDER BY o.asked_at DESC, o.id DESC
    LIMIT 1
) AS later
WHERE d.id = %(id)s AND d.claimed_by = %(token)s AND d.status = 'PENDING' AND j.id = d.job_id
RETURNING d.error_detail
