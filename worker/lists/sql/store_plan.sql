-- Sets one key of the list's JSON and leaves the others as they are at this moment.
UPDATE "List"
SET "jsonData" = jsonb_set(
        coalesce("jsonData", '{}'), '{currentAnnualReview}', %(plan)s::jsonb
    ),
    "nextAnnualReviewStartDate" = %(start)s,
    "updatedAt" = %(at)s
WHERE id = %(list_id)s
