-- One row: an e-mail of the review that is given up, because it is not due any more.
UPDATE annual_review_outbox AS o
SET state = 'failed', error_code = coalesce(o.error_code, 'not_due'), updated_at = clock_timestamp()
WHERE o.list_id = %(list_id)s AND o.reference = %(reference)s
    AND o.state IN ('pending', 'sending') AND o.id <> ALL (%(kept)s)
RETURNING o.milestone, o.list_item_id, o.attempts, o.send_before <= %(today)s AS window_passed
