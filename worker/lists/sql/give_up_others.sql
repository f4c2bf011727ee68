-- One row: an e-mail to a member of staff that failed while a colleague got it: not tried again.
UPDATE annual_review_outbox AS o
SET state = 'failed', updated_at = clock_timestamp()
WHERE o.list_id = %(list_id)s AND o.state = 'pending' AND o.attempts > 0
    AND o.error_code IS NOT NULL AND o.list_item_id IS NULL
    AND EXISTS (
        SELECT FROM annual_review_outbox AS other
        WHERE other.reference = o.reference AND other.milestone = o.milestone
            AND other.list_item_id IS NULL AND other.state = 'sent'
    )
RETURNING o.id
