"""What operators did about jobs and their messages: cancelled, retried, redriven, dropped."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Without a job for a dead letter that never reached a worker whose database answered.
    op.execute("""
        CREATE TABLE jobs.intervention (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            job_id bigint REFERENCES jobs.job ON DELETE CASCADE,
            message_id text,
            action text NOT NULL CHECK (action IN ('cancel', 'retry', 'redrive', 'drop')),
            note text,
            made_by text NOT NULL,
            made_at timestamptz NOT NULL DEFAULT now(),
            CHECK (job_id IS NOT NULL OR message_id IS NOT NULL)
        )""")
    op.execute("CREATE INDEX intervention_job ON jobs.intervention (job_id)")
    op.execute("CREATE INDEX intervention_message ON jobs.intervention (message_id)")


def downgrade() -> None:
    op.execute("DROP TABLE jobs.intervention")
