-- One row if the job was open: its attempt is closed under whoever runs it, and what was still to
-- be delivered is not sent. A delivery under way keeps its claim, so that it is recorded if it
-- arrives.
WITH cancelled AS (
    UPDATE jobs.job
    SET status = 'CANCELLED', cancel_requested_at = clock_timestamp(),
        finished_at = clock_timestamp(), updated_at = clock_timestamp()
    WHERE id = %(job_id)s AND status IN ('PENDING', 'IN_PROGRESS')
    RETURNING id
), closed AS (
    UPDATE jobs.assignment
    SET completed_at = clock_timestamp(), outcome = 'cancelled'
    FROM cancelled
    WHERE job_id = cancelled.id AND completed_at IS NULL
), withheld AS (
    UPDATE jobs.delivery
    SET status = 'REJECTED', error_code = 'cancelled'
    FROM cancelled
    WHERE job_id = cancelled.id AND status = 'PENDING'
)
SELECT id FROM cancelled
