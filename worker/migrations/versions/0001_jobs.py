"""The ledger: jobs, assignments (one an attempt), results and deliveries (the outbox)."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA IF NOT EXISTS jobs")
    op.execute("""
        CREATE TYPE jobs.job_status AS ENUM
            ('PENDING', 'IN_PROGRESS', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'TIMED_OUT')""")
    op.execute("CREATE TYPE jobs.delivery_status AS ENUM ('PENDING', 'DELIVERED', 'REJECTED')")
    op.execute("""
        CREATE TABLE jobs.job (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            uid uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
            key text NOT NULL UNIQUE,
            type text NOT NULL,
            status jobs.job_status NOT NULL DEFAULT 'PENDING',
            payload_hash text NOT NULL,
            payload jsonb,
            correlation_id text NOT NULL,
            reopenings integer NOT NULL DEFAULT 0,
            attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
            max_attempts integer NOT NULL CHECK (max_attempts >= 1),
            error_code text,
            error_sentence text,
            cancel_requested_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            finished_at timestamptz,
            erased_at timestamptz,
            CHECK ((status IN ('PENDING', 'IN_PROGRESS')) = (finished_at IS NULL)),
            CHECK (status <> 'FAILED' OR error_code IS NOT NULL)
        )""")
    op.execute("""
        CREATE INDEX job_to_erase ON jobs.job (finished_at)
            WHERE erased_at IS NULL AND finished_at IS NOT NULL""")
    op.execute("CREATE INDEX job_status_type_created ON jobs.job (status, type, created_at)")
    # Every SQS message that brought this job: a failed job is reopened by a message id that it has
    # not seen, never by another receive of one that it has.
    op.execute("""
        CREATE TABLE jobs.message (
            message_id text PRIMARY KEY,
            job_id bigint NOT NULL REFERENCES jobs.job ON DELETE CASCADE,
            first_received_at timestamptz NOT NULL DEFAULT now()
        )""")
    op.execute("CREATE INDEX message_job ON jobs.message (job_id)")
    op.execute("""
        CREATE TABLE jobs.assignment (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            job_id bigint NOT NULL REFERENCES jobs.job ON DELETE CASCADE,
            token uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
            worker_id text NOT NULL,
            reopening integer NOT NULL DEFAULT 0,
            reference_versions jsonb NOT NULL DEFAULT '{}',
            claimed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            renewed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            expires_at timestamptz NOT NULL,
            completed_at timestamptz,
            outcome text CHECK (outcome IN
                ('succeeded', 'failed', 'cancelled', 'retry', 'handed_back', 'expired')),
            error_code text,
            error_detail text,
            CHECK ((completed_at IS NULL) = (outcome IS NULL))
        )""")
    # One open attempt a job: whoever holds it may write, nobody else.
    op.execute("""
        CREATE UNIQUE INDEX assignment_one_open ON jobs.assignment (job_id)
            WHERE completed_at IS NULL""")
    op.execute("CREATE INDEX assignment_job ON jobs.assignment (job_id)")
    op.execute("""
        CREATE TABLE jobs.result (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            job_id bigint NOT NULL UNIQUE REFERENCES jobs.job ON DELETE CASCADE,
            assignment_id bigint NOT NULL UNIQUE REFERENCES jobs.assignment,
            payload jsonb NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now()
        )""")
    op.execute("""
        CREATE TABLE jobs.delivery (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            job_id bigint NOT NULL REFERENCES jobs.job ON DELETE CASCADE,
            slot text NOT NULL,
            kind text NOT NULL,
            reference uuid NOT NULL UNIQUE,
            position smallint NOT NULL,
            required boolean NOT NULL,
            payload jsonb,
            status jobs.delivery_status NOT NULL DEFAULT 'PENDING',
            attempts integer NOT NULL DEFAULT 0,
            next_attempt_at timestamptz NOT NULL DEFAULT now(),
            claimed_by uuid,
            claimed_until timestamptz,
            error_code text,
            error_detail text,
            response jsonb,
            created_at timestamptz NOT NULL DEFAULT now(),
            delivered_at timestamptz,
            CHECK ((status = 'DELIVERED') = (delivered_at IS NOT NULL))
        )""")
    op.execute("""
        CREATE INDEX delivery_pending ON jobs.delivery (next_attempt_at)
            WHERE status = 'PENDING'""")
    op.execute("CREATE INDEX delivery_job ON jobs.delivery (job_id)")


def downgrade() -> None:
    op.execute("DROP SCHEMA jobs CASCADE")
