-- The review is over: its plan is gone, and the next one is due in a year.
UPDATE "List"
SET "jsonData" = "jsonData" - 'currentAnnualReview',
    "isAnnualReview" = false,
    "lastAnnualReviewStartDate" = %(start)s,
    "nextAnnualReviewStartDate" = %(next_start)s,
    "updatedAt" = %(at)s
WHERE id = %(list_id)s
