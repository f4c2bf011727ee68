-- One row: an e-mail about a review that has ended which is given up after a week of tries.
UPDATE annual_review_outbox AS o
SET state = 'failed', error_code = coalesce(o.error_code, 'not_due'), updated_at = clock_timestamp()
WHERE o.list_id = %(list_id)s AND o.state IN ('pending', 'sending')
    AND o.send_before <= %(today)s
RETURNING o.milestone, o.list_item_id, o.attempts, true AS window_passed
