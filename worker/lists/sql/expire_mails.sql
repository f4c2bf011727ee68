-- One row: an e-mail that is given up. Its time is over; or it would tell a provider that an entry
-- is off the list (%(about_end)s) which is not overdue any more, since the provider has answered
-- after the end or staff have taken it up. No decision looks at those again: the plan is gone.
UPDATE annual_review_outbox AS o
SET state = 'failed', error_code = coalesce(o.error_code, 'not_due'), updated_at = clock_timestamp()
WHERE o.list_id = %(list_id)s AND o.state IN ('pending', 'sending')
    AND (
        o.send_before <= %(today)s
        OR (
            o.milestone = %(about_end)s
            AND NOT EXISTS (
                SELECT FROM "ListItem" AS i
                WHERE i.id = o.list_item_id AND i.status = 'ANNUAL_REVIEW_OVERDUE'
            )
        )
    )
RETURNING o.milestone, o.list_item_id, o.attempts, o.send_before <= %(today)s AS window_passed
