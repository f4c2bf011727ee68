-- One row while the token is the open one: the lease starts anew, on the database's clock.
UPDATE jobs.assignment
SET renewed_at = clock_timestamp(),
    expires_at = clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE token = %(token)s AND completed_at IS NULL
RETURNING id
