-- The job of this key, with its payload unless that was erased; if there is none and the key is a
-- quote's reference, one row for each job that it came with.
SELECT id, key, type, status, correlation_id, payload, asked_at
FROM jobs.job
WHERE key = %(key)s
    OR (%(key)s ~ '^NRF-[0-9]{6}$' AND starts_with(key, %(key)s || '-')
        AND NOT EXISTS (SELECT FROM jobs.job WHERE key = %(key)s))
ORDER BY key
