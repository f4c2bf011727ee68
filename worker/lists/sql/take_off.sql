-- One row: an entry that has come off the list, with the two events that say so. Whoever answered,
-- or was taken off by staff, is left as it is, whatever was decided earlier.
WITH changed AS (
    UPDATE "ListItem" AS i
    SET status = 'ANNUAL_REVIEW_OVERDUE', "isAnnualReview" = false, "isPublished" = false,
        "updatedAt" = %(at)s
    WHERE i."listId" = %(list_id)s AND i.id = ANY (%(ids)s)
        AND i."isAnnualReview" AND i.status = 'OUT_WITH_PROVIDER'
        AND i."isPublished" AND NOT i."isBlocked"
        AND NOT EXISTS (
            SELECT FROM "Event" AS e
            WHERE e."listItemId" = i.id AND e.type IN ('EDITED', 'CHECK_ANNUAL_REVIEW')
                AND e.time >= %(start)s
        )
    RETURNING i.id
), noted AS (
    INSERT INTO "Event" ("listItemId", time, type, "jsonData")
    SELECT c.id, %(at)s, said.type::"ListItemEvent", jsonb_build_object(
        'eventName', said.name, 'itemId', c.id, 'reference', %(reference)s::text)
    FROM changed AS c
    CROSS JOIN (VALUES
        ('ANNUAL_REVIEW_OVERDUE', 'annualReviewOverdue'), ('UNPUBLISHED', 'unpublished')
    ) AS said (type, name)
)
SELECT c.id
FROM changed AS c
