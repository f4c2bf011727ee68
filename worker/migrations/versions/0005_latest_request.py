"""Which request of a quote is the latest: what a job is about, and when it was last asked for."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A quote's reference; NULL for other jobs, whose ids have at most 64 characters. Made of the
    # key, so that the jobs of a worker that knows nothing of it have it too.
    op.execute("""
        ALTER TABLE jobs.job ADD COLUMN subject text
            GENERATED ALWAYS AS (substring(key FROM '^(NRF-[0-9]{6})-[0-9a-f]{64}$')) STORED""")
    op.execute("ALTER TABLE jobs.job ADD COLUMN asked_at timestamptz")
    # Of a job that such a worker has registered, the time is not known. SQS keeps no message for
    # more than 14 days: whatever arrives from now on counts as later.
    op.execute("UPDATE jobs.job SET asked_at = created_at - interval '14 days'")
    op.execute("""
        ALTER TABLE jobs.job
            ALTER COLUMN asked_at SET DEFAULT now() - interval '14 days',
            ALTER COLUMN asked_at SET NOT NULL""")
    op.execute("""
        CREATE INDEX job_subject ON jobs.job (subject, asked_at, id) WHERE subject IS NOT NULL""")


def downgrade() -> None:
    op.execute("ALTER TABLE jobs.job DROP COLUMN asked_at, DROP COLUMN subject")
