-- One row while the delivery is still to be made under this claim. Of a result: whether a later
-- request about the same subject has made it void, and whether it has to wait for what somebody may
-- be sending to the same place: another result, or that the job had failed before it was reopened.
SELECT
    d.required AND EXISTS (
        SELECT FROM jobs.job AS later
        WHERE later.subject = j.subject AND (later.asked_at, later.id) > (j.asked_at, j.id)
    ) AS is_superseded,
    d.required AND EXISTS (
        SELECT
        FROM jobs.job AS other
        JOIN jobs.delivery AS o ON o.job_id = other.id
        WHERE other.subject = j.subject AND o.required AND o.id <> d.id
            AND o.claimed_until > clock_timestamp()
    )
    OR d.required AND EXISTS (
        SELECT FROM jobs.delivery AS o
        WHERE o.job_id = d.job_id AND o.kind = d.kind AND o.slot LIKE 'failed%%'
            AND o.claimed_until > clock_timestamp()
    ) AS has_to_wait
FROM jobs.delivery AS d
JOIN jobs.job AS j ON j.id = d.job_id
WHERE d.id = %(id)s AND d.claimed_by = %(token)s AND d.status = 'PENDING'
