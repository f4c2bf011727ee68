-- How a try has ended.
UPDATE annual_review_outbox
SET state = %(state)s, notify_id = %(notify_id)s, error_code = %(error_code)s,
    updated_at = clock_timestamp()
WHERE id = %(id)s AND state = 'sending'
