-- A provider has got an e-mail of the review.
INSERT INTO "Event" ("listItemId", time, type, "annualReviewEmailType", "jsonData")
VALUES (
    %(item_id)s, %(at)s, 'REMINDER', %(email_type)s::"AnnualReviewProviderEmailType",
    %(data)s::jsonb
)
