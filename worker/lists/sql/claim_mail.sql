-- One row while it is open: how often it has been tried, this time included.
UPDATE annual_review_outbox
SET state = 'sending', attempts = attempts + 1, claimed_at = clock_timestamp(),
    updated_at = clock_timestamp()
WHERE id = %(id)s AND state IN ('pending', 'sending')
RETURNING attempts
