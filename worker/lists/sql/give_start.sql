-- One row if the list had no start date until now.
UPDATE "List"
SET "nextAnnualReviewStartDate" = %(start)s, "updatedAt" = %(at)s
WHERE id = %(list_id)s AND "nextAnnualReviewStartDate" IS NULL
RETURNING id
