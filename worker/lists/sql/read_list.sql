-- One row: a list, its stored plan, and the day (UTC) on which its first entry was published.
SELECT
    l.id,
    l.type,
    c.name AS country,
    l."nextAnnualReviewStartDate" AS next_start,
    l."lastAnnualReviewStartDate" AS last_start,
    l."isAnnualReview" AS in_review,
    l."jsonData" -> 'currentAnnualReview' AS stored_plan,
    f."firstPublished"::date AS first_published
FROM "List" AS l
JOIN "Country" AS c ON c.id = l."countryId"
LEFT JOIN "FirstPublishedOnList" AS f ON f."listId" = l.id
WHERE l.id = %(list_id)s
