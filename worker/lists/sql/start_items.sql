-- One row: an entry whose review has started, with the event that says so. The conditions stand
-- here too, so that no decision taken earlier can start an entry that has changed since.
WITH changed AS (
    UPDATE "ListItem" AS i
    SET "isAnnualReview" = true, status = 'OUT_WITH_PROVIDER', "updatedAt" = %(at)s
    WHERE i."listId" = %(list_id)s AND i.id = ANY (%(ids)s)
        AND i."isPublished" AND NOT i."isBlocked" AND NOT i."isAnnualReview"
        AND i.status <> 'UNPUBLISHED'
        AND NOT EXISTS (
            SELECT FROM "Event" AS e
            WHERE e."listItemId" = i.id AND e.type = 'ANNUAL_REVIEW_STARTED'
                AND e."jsonData" ->> 'reference' = %(reference)s
        )
    RETURNING i.id
)
INSERT INTO "Event" ("listItemId", time, type, "jsonData")
SELECT c.id, %(at)s, 'ANNUAL_REVIEW_STARTED', jsonb_build_object(
    'eventName', 'startAnnualReview', 'itemId', c.id, 'reference', %(reference)s::text)
FROM changed AS c
RETURNING "listItemId"
