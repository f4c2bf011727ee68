-- One row: the e-mail, stored or found. What was given up before and is due again is open again;
-- what was sent stays sent.
INSERT INTO annual_review_outbox AS o (
    id, reference, list_id, list_item_id, recipient, milestone, template_id, personalisation,
    send_from, send_before
)
VALUES (
    %(id)s, %(reference)s, %(list_id)s, %(item_id)s, %(recipient)s, %(milestone)s,
    %(template_id)s, %(personalisation)s::jsonb, %(send_from)s, %(send_before)s
)
ON CONFLICT (reference, milestone, coalesce(list_item_id, 0), recipient) DO UPDATE
SET template_id = excluded.template_id,
    personalisation = excluded.personalisation,
    send_from = excluded.send_from,
    send_before = excluded.send_before,
    state = CASE WHEN o.state = 'failed' THEN 'pending' ELSE o.state END,
    updated_at = clock_timestamp()
WHERE o.state <> 'sent'
RETURNING o.id
