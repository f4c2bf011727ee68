"""The tables of the annual review: lists, their entries and what is recorded about them."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA lists")


def downgrade() -> None:
    op.execute("DROP SCHEMA lists CASCADE")
