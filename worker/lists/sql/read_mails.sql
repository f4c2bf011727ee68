-- One row: an e-mail of the review %(reference)s that the outbox knows.
SELECT o.milestone, o.recipient, o.state IN ('pending', 'sending') AS open
FROM annual_review_outbox AS o
WHERE o.list_id = %(list_id)s AND o.reference = %(reference)s::uuid
ORDER BY o.number
