-- One row: deliveries still to be made, the age of the oldest in seconds (0 if none), and the jobs
-- that are open but that nobody has touched for longer than any backoff lasts.
SELECT count(*) AS deliveries_pending,
    coalesce(extract(epoch FROM clock_timestamp() - min(d.created_at)), 0)::float8
        AS oldest_delivery_s,
    (
        SELECT count(*)
        FROM jobs.job AS j
        WHERE j.status = 'PENDING'
            AND j.updated_at < clock_timestamp() - make_interval(secs => %(stranded_after_s)s)
    ) AS jobs_stranded
FROM jobs.delivery AS d
WHERE d.status = 'PENDING'
