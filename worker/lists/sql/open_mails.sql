-- One row: an e-mail that may be sent today, in the order of decision. in_flight_s: seconds for
-- which a try that was cut off may still be on its way.
SELECT
    o.id,
    o.reference,
    o.list_id,
    o.list_item_id AS item_id,
    o.recipient,
    o.milestone,
    o.template_id,
    o.personalisation,
    CASE WHEN o.state = 'sending' THEN greatest(
        0, %(settle_s)s - extract(epoch FROM clock_timestamp() - o.claimed_at)
    ) ELSE 0 END::float AS in_flight_s
FROM annual_review_outbox AS o
WHERE o.list_id = %(list_id)s AND o.state IN ('pending', 'sending')
    AND o.send_from <= %(today)s AND %(today)s < o.send_before
ORDER BY o.number
