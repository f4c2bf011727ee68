-- A record about the list; email_type only for e-mails to staff.
INSERT INTO "Audit" ("auditEvent", type, "annualReviewEmailType", "jsonData")
VALUES (
    %(event)s::"AuditEvent", 'list', %(email_type)s::"AnnualReviewPostEmailType", %(data)s::jsonb
)
