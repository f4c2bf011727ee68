-- One row: a kind of e-mail that the list's staff got in the review %(reference)s.
SELECT DISTINCT coalesce(a."annualReviewEmailType"::text, a."jsonData" ->> 'emailType')
FROM "Audit" AS a
WHERE a."auditEvent" = 'REMINDER'
    AND a."jsonData" @> jsonb_build_object('annualReviewRef', %(reference)s::text)
    AND coalesce(a."annualReviewEmailType"::text, a."jsonData" ->> 'emailType') IS NOT NULL
