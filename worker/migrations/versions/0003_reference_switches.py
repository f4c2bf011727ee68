"""A history of which version was active when, and versions whose rows have been dropped."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE reference.switches (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            action text NOT NULL CHECK (action IN ('load', 'forced', 'activate', 'rollback')),
            reason text CHECK (action <> 'forced' OR reason IS NOT NULL),
            made_by text NOT NULL,
            made_at timestamptz NOT NULL DEFAULT now()
        )""")
    op.execute("""
        CREATE TABLE reference.switched_layers (
            switch_id bigint NOT NULL REFERENCES reference.switches,
            layer text NOT NULL,
            version integer NOT NULL,
            previous_version integer,
            PRIMARY KEY (switch_id, layer),
            FOREIGN KEY (layer, version) REFERENCES reference.layer_versions
        )""")
    # The row of a pruned version stays: its number is never given to other data, and results that
    # name it can still be explained.
    op.execute("ALTER TABLE reference.layer_versions DROP CONSTRAINT layer_versions_status_check")
    op.execute("""
        ALTER TABLE reference.layer_versions ADD CONSTRAINT layer_versions_status_check
            CHECK (status IN ('loading', 'ready', 'pruned'))""")
    # What is active already was loaded, each set of layers by one switch.
    op.execute("""
        INSERT INTO reference.switches (action, reason, made_by, made_at)
        SELECT DISTINCT 'load', 'before the history began', activated_by, activated_at
        FROM reference.active_versions
        ORDER BY activated_at""")
    op.execute("""
        INSERT INTO reference.switched_layers (switch_id, layer, version)
        SELECT switch.id, active.layer, active.version
        FROM reference.active_versions AS active
        JOIN reference.switches AS switch
            ON (switch.made_by, switch.made_at) = (active.activated_by, active.activated_at)""")


def downgrade() -> None:
    op.execute("DROP TABLE reference.switched_layers, reference.switches")
    op.execute("DELETE FROM reference.layer_versions WHERE status = 'pruned'")
    op.execute("ALTER TABLE reference.layer_versions DROP CONSTRAINT layer_versions_status_check")
    op.execute("""
        ALTER TABLE reference.layer_versions ADD CONSTRAINT layer_versions_status_check
            CHECK (status IN ('loading', 'ready'))""")
