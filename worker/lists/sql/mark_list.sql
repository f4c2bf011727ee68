-- The list is in review.
UPDATE "List"
SET "isAnnualReview" = true, "updatedAt" = %(at)s
WHERE id = %(list_id)s AND NOT "isAnnualReview"
