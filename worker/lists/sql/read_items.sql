-- One row: an entry of the list with what its events say. The start event and the reminders are
-- those of the review %(reference)s; reminder_types and reminder_days belong together.
SELECT
    i.id,
    i.reference,
    coalesce(i."jsonData" ->> 'contactName', '') AS contact_name,
    nullif(btrim(i."jsonData" ->> 'emailAddress'), '') AS email,
    i.status::text AS status,
    i."isPublished" AS is_published,
    i."isBlocked" AS is_blocked,
    i."isAnnualReview" AS in_review,
    said.last_published,
    said.last_answer,
    coalesce(said.started, false) AS started,
    coalesce(said.reminder_types, '{}') AS reminder_types,
    coalesce(said.reminder_days, '{}') AS reminder_days
FROM "ListItem" AS i
CROSS JOIN LATERAL (
    SELECT
        max(e.time) FILTER (WHERE e.type = 'PUBLISHED') AT TIME ZONE 'UTC' AS last_published,
        max(e.time) FILTER (WHERE e.type IN ('EDITED', 'CHECK_ANNUAL_REVIEW')) AT TIME ZONE 'UTC'
            AS last_answer,
        bool_or(e.type = 'ANNUAL_REVIEW_STARTED' AND e."jsonData" ->> 'reference' = %(reference)s)
            AS started,
        array_agg(e."annualReviewEmailType"::text ORDER BY e.id)
            FILTER (WHERE e.type = 'REMINDER' AND e."annualReviewEmailType" IS NOT NULL
                AND e."jsonData" ->> 'reference' = %(reference)s) AS reminder_types,
        array_agg(e.time::date ORDER BY e.id)
            FILTER (WHERE e.type = 'REMINDER' AND e."annualReviewEmailType" IS NOT NULL
                AND e."jsonData" ->> 'reference' = %(reference)s) AS reminder_days
    FROM "Event" AS e
    WHERE e."listItemId" = i.id
) AS said
WHERE i."listId" = %(list_id)s
ORDER BY i.id
