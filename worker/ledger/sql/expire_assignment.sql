-- The attempt of a worker that stopped renewing; whoever held its token is fenced from here on.
UPDATE jobs.assignment
SET completed_at = clock_timestamp(), outcome = 'expired'
WHERE id = %(assignment_id)s AND completed_at IS NULL
