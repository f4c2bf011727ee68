"""The tables of the annual review: lists, their entries, what is recorded, and the outbox.

Another service owns all but the outbox where it runs: names, types and rules are its own. The
indexes on what the jobs look for are ours.
"""

from alembic import op

from worker.sqlfiles import statement

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ENUMS = {
    "Status": (
        "NEW",
        "OUT_WITH_PROVIDER",
        "EDITED",
        "PUBLISHED",
        "UNPUBLISHED",
        "CHECK_ANNUAL_REVIEW",
        "ANNUAL_REVIEW_OVERDUE",
    ),
    "ListItemEvent": (
        "NEW",
        "OUT_WITH_PROVIDER",
        "EDITED",
        "UNPUBLISHED",
        "PUBLISHED",
        "PINNED",
        "UNPINNED",
        "DELETED",
        "UNDEFINED",
        "ANNUAL_REVIEW_STARTED",
        "CHECK_ANNUAL_REVIEW",
        "ARCHIVED",
        "REMINDER",
        "ANNUAL_REVIEW_OVERDUE",
    ),
    "AuditEvent": (
        "REMINDER",
        "ANNUAL_REVIEW",
        "PUBLISHED",
        "UNPUBLISHED",
        "EDITED",
        "UNDEFINED",
    ),
    "AnnualReviewPostEmailType": (
        "oneMonthBeforeStart",
        "oneWeekBeforeStart",
        "oneDayBeforeStart",
        "started",
        "oneDayBeforeUnpublish",
    ),
    "AnnualReviewProviderEmailType": (
        "started",
        "weeklyUnpublish",
        "oneDayBeforeUnpublish",
        "unpublished",
    ),
}


def upgrade() -> None:
    op.execute("CREATE SCHEMA lists")
    op.execute("SET LOCAL search_path TO lists")
    for name, members in _ENUMS.items():
        op.execute(f'CREATE TYPE "{name}" AS ENUM ({", ".join(map(repr, members))})')
    op.execute('CREATE TABLE "Country" (id serial PRIMARY KEY, name text NOT NULL UNIQUE)')
    op.execute("""
        CREATE TABLE "List" (
            id serial PRIMARY KEY,
            reference text NOT NULL UNIQUE,
            type text NOT NULL,
            "countryId" integer NOT NULL REFERENCES "Country",
            "jsonData" jsonb,
            "nextAnnualReviewStartDate" date,
            "lastAnnualReviewStartDate" date,
            "isAnnualReview" boolean NOT NULL DEFAULT false,
            "createdAt" timestamp NOT NULL DEFAULT now(),
            "updatedAt" timestamp NOT NULL DEFAULT now()
        )""")
    op.execute('CREATE INDEX list_type_country ON "List" (type, "countryId")')
    op.execute("""
        CREATE TABLE "ListItem" (
            id serial PRIMARY KEY,
            reference text NOT NULL UNIQUE,
            "listId" integer NOT NULL REFERENCES "List",
            type text NOT NULL,
            "jsonData" jsonb NOT NULL,
            "addressId" integer,
            "isApproved" boolean NOT NULL DEFAULT false,
            "isPublished" boolean NOT NULL DEFAULT false,
            "isBlocked" boolean NOT NULL DEFAULT false,
            "isAnnualReview" boolean NOT NULL DEFAULT false,
            status "Status" NOT NULL DEFAULT 'NEW',
            "createdAt" timestamp NOT NULL DEFAULT now(),
            "updatedAt" timestamp NOT NULL DEFAULT now()
        )""")
    op.execute('CREATE INDEX list_item_review ON "ListItem" ("listId", status, "isAnnualReview")')
    op.execute("""
        CREATE TABLE "User" (
            id serial PRIMARY KEY, email text NOT NULL UNIQUE, "jsonData" jsonb
        )""")
    op.execute("""
        CREATE TABLE "_ListToUser" (
            "A" integer NOT NULL REFERENCES "List", "B" integer NOT NULL REFERENCES "User"
        )""")
    op.execute('CREATE UNIQUE INDEX list_to_user ON "_ListToUser" ("A", "B")')
    op.execute('CREATE INDEX list_to_user_user ON "_ListToUser" ("B")')
    op.execute("""
        CREATE TABLE "Event" (
            id serial PRIMARY KEY,
            "listItemId" integer NOT NULL REFERENCES "ListItem",
            time timestamp NOT NULL DEFAULT now(),
            type "ListItemEvent" NOT NULL,
            "jsonData" jsonb NOT NULL,
            "annualReviewEmailType" "AnnualReviewProviderEmailType"
        )""")
    op.execute('CREATE INDEX event_item ON "Event" ("listItemId", type, time)')
    op.execute("""
        CREATE TABLE "Audit" (
            id serial PRIMARY KEY,
            "createdAt" timestamp NOT NULL DEFAULT now(),
            "auditEvent" "AuditEvent" NOT NULL DEFAULT 'UNDEFINED',
            type text,
            "jsonData" jsonb NOT NULL,
            "annualReviewEmailType" "AnnualReviewPostEmailType"
        )""")
    op.execute('CREATE INDEX audit_json ON "Audit" USING gin ("jsonData" jsonb_path_ops)')
    op.execute("""
        CREATE VIEW "FirstPublishedOnList" AS
        SELECT i."listId", min(e.time) AS "firstPublished"
        FROM "Event" AS e
        JOIN "ListItem" AS i ON i.id = e."listItemId"
        WHERE e.type = 'PUBLISHED'
        GROUP BY i."listId" """)
    op.execute(statement("worker.lists", "create_outbox").decode())


def downgrade() -> None:
    op.execute("DROP SCHEMA lists CASCADE")
