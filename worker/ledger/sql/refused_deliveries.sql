-- One row: whether a delivery that was refused with this code is still to be made, by whomever. One
-- that an earlier delivery of its job holds back says nothing about the refusal.
SELECT EXISTS (
    SELECT FROM jobs.delivery AS d
    WHERE d.status = 'PENDING' AND d.error_code = %(code)s
        AND NOT EXISTS (
            SELECT FROM jobs.delivery AS earlier
            WHERE earlier.job_id = d.job_id AND earlier.position < d.position
                AND earlier.status = 'PENDING' AND earlier.required
        )
)
