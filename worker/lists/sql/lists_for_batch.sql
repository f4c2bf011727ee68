-- One row: the id of a list that the batch may have something to do for: its review opens by
-- %(opens_by)s, or it has no start date yet although one of its entries was published.
SELECT l.id
FROM "List" AS l
WHERE (%(only)s::integer[] IS NULL OR l.id = ANY (%(only)s))
    AND (
        l."nextAnnualReviewStartDate" <= %(opens_by)s
        OR (
            l."nextAnnualReviewStartDate" IS NULL
            AND EXISTS (SELECT FROM "FirstPublishedOnList" AS f WHERE f."listId" = l.id)
        )
    )
ORDER BY l.id
