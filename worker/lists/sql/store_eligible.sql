-- Replaces the entries of a stored plan, and nothing else of it.
UPDATE "List"
SET "jsonData" = jsonb_set(
        "jsonData", '{currentAnnualReview,eligibleListItems}', %(eligible)s::jsonb
    ),
    "updatedAt" = %(at)s
WHERE id = %(list_id)s
