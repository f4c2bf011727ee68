-- One row: the job of this key, inserted if it is new; locked until the transaction ends.
-- DO UPDATE to the same value is what makes a concurrent insert wait for, and then return, the row.
INSERT INTO jobs.job
    (key, type, payload_hash, payload, correlation_id, max_attempts, asked_at)
VALUES (
    %(key)s, %(type)s, %(payload_hash)s, %(payload)s, %(correlation_id)s, %(max_attempts)s,
    coalesce(%(asked_at)s::timestamptz, clock_timestamp())
)
ON CONFLICT (key) DO UPDATE SET key = excluded.key
RETURNING id, uid, status, payload_hash, attempts, max_attempts, reopenings, error_code,
    asked_at
