"""Reference layers: a table each, partitioned by version so that a version is dropped whole."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_LAYERS: dict[str, str] = {
    "coefficient_layer": """
        crome_id text, land_use_cat text, nn_catchment text, subcatchment text,
        lu_curr_n_coeff double precision, lu_curr_p_coeff double precision,
        n_resi_coeff double precision, p_resi_coeff double precision,
        geom geometry(Geometry, 27700) NOT NULL""",
    "wwtw_catchments": """
        wwtw_id integer NOT NULL, name text, geom geometry(Geometry, 27700) NOT NULL""",
    "lpa_boundaries": "name text NOT NULL, geom geometry(Geometry, 27700) NOT NULL",
    "nn_catchments": """
        oid integer NOT NULL, n2k_site_name text NOT NULL,
        geom geometry(Geometry, 27700) NOT NULL""",
    "subcatchments": "opcat_name text NOT NULL, geom geometry(Geometry, 27700) NOT NULL",
    "gcn_risk_zones": """
        rz text NOT NULL CHECK (rz IN ('Red', 'Amber', 'Green')),
        geom geometry(Geometry, 27700) NOT NULL""",
    "gcn_ponds": "pond_id text NOT NULL, geom geometry(Geometry, 27700) NOT NULL",
    "edp_edges": "edp_name text NOT NULL, geom geometry(Geometry, 27700) NOT NULL",
    "edp_boundaries": "name text NOT NULL, geom geometry(Geometry, 27700) NOT NULL",
    "edp_excluded_areas": """
        site_name text NOT NULL, designation text, buffer_m double precision,
        geom geometry(Geometry, 27700) NOT NULL""",
    "wwtw_lookup": """
        wwtw_code integer NOT NULL, name text, subcatchment text,
        n_conc_2025_2030 double precision, n_conc_2030_onwards double precision,
        p_conc_2025_2030 double precision, p_conc_2030_onwards double precision,
        source_row integer NOT NULL""",
    "rates_lookup": """
        nn_catchment text NOT NULL, occupancy_rate double precision NOT NULL,
        water_usage_l_person_day double precision NOT NULL""",
    "levy_rates": """
        nn_catchment text NOT NULL, gbp_per_kg_n numeric NOT NULL, gbp_per_kg_p numeric NOT NULL,
        inflation_factor numeric NOT NULL, model_version integer NOT NULL,
        is_sample boolean NOT NULL DEFAULT false""",
}

# Layers of few, large polygons: a subdivided copy, so that an index finds the piece that matters.
_SUBDIVIDED = (
    "wwtw_catchments",
    "lpa_boundaries",
    "nn_catchments",
    "subcatchments",
    "gcn_risk_zones",
    "edp_edges",
    "edp_boundaries",
    "edp_excluded_areas",
)


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS postgis")
    op.execute("CREATE SCHEMA IF NOT EXISTS reference")
    op.execute("""
        CREATE TABLE reference.layer_versions (
            layer text NOT NULL,
            version integer NOT NULL CHECK (version >= 1),
            label text NOT NULL,
            status text NOT NULL CHECK (status IN ('loading', 'ready')),
            source_name text NOT NULL,
            source_sha256 text NOT NULL,
            row_count bigint NOT NULL DEFAULT 0,
            report jsonb NOT NULL DEFAULT '{}',
            loaded_by text NOT NULL,
            loaded_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (layer, version)
        )""")
    op.execute("""
        CREATE TABLE reference.active_versions (
            layer text PRIMARY KEY,
            version integer NOT NULL,
            activated_by text NOT NULL,
            activated_at timestamptz NOT NULL DEFAULT now(),
            reason text,
            FOREIGN KEY (layer, version) REFERENCES reference.layer_versions
        )""")
    for layer, columns in _LAYERS.items():
        # id: the feature's place in its source file, from 1.
        op.execute(f"""
            CREATE TABLE reference.{layer} (
                version integer NOT NULL,
                id bigint NOT NULL,
                {columns}
            ) PARTITION BY LIST (version)""")
    for layer in _SUBDIVIDED:
        op.execute(f"""
            CREATE TABLE reference.{layer}_parts (
                version integer NOT NULL,
                id bigint NOT NULL,
                geom geometry(Polygon, 27700) NOT NULL
            ) PARTITION BY LIST (version)""")


def downgrade() -> None:
    op.execute("DROP SCHEMA reference CASCADE")
