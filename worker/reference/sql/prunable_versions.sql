-- One row: a version with rows that nobody needs. Needed are the active one, the newest ones, those
-- that an open attempt at a job has pinned, and those that were active a moment ago: a job that is
-- being claimed, or a command, may have read that pointer and has left no trace of it yet.
SELECT
    version.layer,
    version.version,
    version.label,
    version.row_count,
    coalesce(
        pg_total_relation_size(
            to_regclass(format('reference.%%I', version.layer || '_v' || version.version))
        ),
        0
    )
    + coalesce(
        pg_total_relation_size(
            to_regclass(format('reference.%%I', version.layer || '_parts_v' || version.version))
        ),
        0
    ) AS size_bytes
FROM (
    SELECT *, row_number() OVER (PARTITION BY layer ORDER BY version DESC) AS age
    FROM reference.layer_versions
    WHERE status = 'ready'
) AS version
WHERE
    version.age > %(keep)s
    AND NOT EXISTS (
        SELECT FROM reference.active_versions AS active
        WHERE (active.layer, active.version) = (version.layer, version.version)
    )
    AND NOT EXISTS (
        SELECT FROM jobs.assignment AS attempt
        WHERE
            attempt.completed_at IS NULL
            AND attempt.reference_versions ->> version.layer = version.version::text
    )
    AND NOT EXISTS (
        SELECT
        FROM reference.switched_layers AS moved
        JOIN reference.switches AS switch ON switch.id = moved.switch_id
        WHERE
            (moved.layer, moved.previous_version) = (version.layer, version.version)
            AND switch.made_at > now() - make_interval(secs => %(grace_s)s)
    )
ORDER BY version.layer, version.version
