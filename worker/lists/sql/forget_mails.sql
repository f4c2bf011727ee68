-- One row: an e-mail that was forgotten, its address with it; what was sent is in the events.
DELETE FROM annual_review_outbox
WHERE send_before < %(before)s AND state IN ('sent', 'failed')
RETURNING id
