-- One row: the id of a list with a plan, or with e-mails that are still to be sent.
SELECT l.id
FROM "List" AS l
WHERE (%(only)s::integer[] IS NULL OR l.id = ANY (%(only)s))
    AND (
        jsonb_typeof(l."jsonData" -> 'currentAnnualReview') = 'object'
        OR EXISTS (
            SELECT FROM annual_review_outbox AS o
            WHERE o.list_id = l.id AND o.state IN ('pending', 'sending')
        )
    )
ORDER BY l.id
