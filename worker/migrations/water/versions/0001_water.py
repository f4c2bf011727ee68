"""Licences, charge information, bill runs and the workflow, as the jobs of the domain know them.

Another service owns these tables where it runs: names, types and rules are its own. The indexes
on what the jobs look for are ours.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA water")
    op.execute("""
        CREATE TABLE water.licences (
            licence_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            region_id uuid NOT NULL,
            licence_ref varchar(255) NOT NULL UNIQUE,
            application_number varchar(255),
            is_water_undertaker boolean NOT NULL,
            regions jsonb NOT NULL,
            start_date date NOT NULL,
            expired_date date,
            issue_date date,
            lapsed_date date,
            revoked_date date,
            suspend_from_billing boolean NOT NULL DEFAULT false,
            is_test boolean NOT NULL DEFAULT false,
            include_in_supplementary_billing varchar(255) NOT NULL DEFAULT 'no',
            include_in_sroc_supplementary_billing boolean NOT NULL DEFAULT false,
            include_in_sroc_tpt_supplementary_billing boolean NOT NULL DEFAULT false,
            date_created timestamp NOT NULL DEFAULT now(),
            date_updated timestamp NOT NULL DEFAULT now()
        )""")
    op.execute("""
        CREATE TABLE water.licence_versions (
            licence_version_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            licence_id uuid NOT NULL,
            application_number varchar(255),
            issue integer NOT NULL,
            increment integer NOT NULL,
            status varchar(255) NOT NULL,
            start_date date NOT NULL,
            end_date date,
            issue_date date,
            external_id varchar(255) NOT NULL UNIQUE,
            is_test boolean NOT NULL DEFAULT false,
            company_id uuid,
            address_id uuid,
            date_created timestamp NOT NULL DEFAULT now(),
            date_updated timestamp NOT NULL DEFAULT now()
        )""")
    op.execute("CREATE INDEX licence_versions_licence ON water.licence_versions (licence_id)")
    op.execute("CREATE INDEX licence_versions_created ON water.licence_versions (date_created)")
    op.execute("""
        CREATE TABLE water.charge_version_workflows (
            charge_version_workflow_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            licence_id uuid NOT NULL,
            created_by jsonb,
            approver_comments varchar(255),
            status varchar(255) NOT NULL,
            data jsonb,
            licence_version_id uuid,
            date_deleted timestamp,
            date_created timestamp NOT NULL,
            date_updated timestamp
        )""")
    op.execute("""
        CREATE UNIQUE INDEX unique_licence_version_id_date_deleted_null
            ON water.charge_version_workflows (licence_version_id)
            WHERE date_deleted IS NULL""")
    op.execute("""
        CREATE INDEX charge_version_workflows_live_licence
            ON water.charge_version_workflows (licence_id)
            WHERE date_deleted IS NULL""")
    # A version that was ever in workflow is not put there again, so deleted rows are asked for too.
    op.execute("""
        CREATE INDEX charge_version_workflows_version
            ON water.charge_version_workflows (licence_version_id)""")
    op.execute("""
        CREATE TABLE water.charge_versions (
            charge_version_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            licence_ref varchar(255) NOT NULL,
            scheme varchar(255) NOT NULL,
            external_id varchar(255) UNIQUE,
            version_number integer NOT NULL,
            start_date date NOT NULL,
            status varchar(255) NOT NULL,
            apportionment boolean,
            error boolean NOT NULL DEFAULT false,
            end_date date,
            billed_upto_date date,
            region_code integer NOT NULL,
            source varchar(255) NOT NULL,
            is_test boolean NOT NULL DEFAULT false,
            company_id uuid,
            invoice_account_id uuid,
            change_reason_id uuid,
            note_id uuid,
            created_by jsonb,
            approved_by jsonb,
            licence_id uuid NOT NULL,
            date_created timestamp NOT NULL DEFAULT now(),
            date_updated timestamp NOT NULL DEFAULT now()
        )""")
    op.execute("CREATE INDEX charge_versions_licence ON water.charge_versions (licence_id)")
    op.execute("""
        CREATE TABLE water.charge_elements (
            charge_element_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            charge_version_id uuid NOT NULL,
            external_id varchar(255) UNIQUE,
            source varchar(255) NOT NULL,
            loss varchar(255) NOT NULL,
            scheme varchar(255) NOT NULL DEFAULT 'alcs',
            volume numeric,
            authorised_annual_quantity numeric(8, 2),
            time_limited_start_date date,
            time_limited_end_date date,
            description varchar(255),
            date_created timestamp NOT NULL DEFAULT now(),
            date_updated timestamp NOT NULL DEFAULT now(),
            CHECK (volume IS NOT NULL OR authorised_annual_quantity IS NOT NULL)
        )""")
    op.execute("CREATE INDEX charge_elements_version ON water.charge_elements (charge_version_id)")
    op.execute("""
        CREATE TABLE water.charge_purposes (
            charge_purpose_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            charge_element_id uuid NOT NULL,
            abstraction_period_start_day smallint NOT NULL,
            abstraction_period_start_month smallint NOT NULL,
            abstraction_period_end_day smallint NOT NULL,
            abstraction_period_end_month smallint NOT NULL,
            authorised_annual_quantity numeric(8, 2) NOT NULL,
            loss varchar(255) NOT NULL,
            factors_overridden boolean NOT NULL,
            billable_annual_quantity numeric(8, 2),
            time_limited_start_date date,
            time_limited_end_date date,
            description varchar(255),
            is_test boolean NOT NULL DEFAULT false,
            purpose_primary_id uuid,
            purpose_secondary_id uuid,
            purpose_use_id uuid NOT NULL,
            is_section_127_agreement_enabled boolean NOT NULL DEFAULT true,
            date_created timestamp NOT NULL DEFAULT now(),
            date_updated timestamp NOT NULL DEFAULT now()
        )""")
    op.execute("CREATE INDEX charge_purposes_element ON water.charge_purposes (charge_element_id)")
    op.execute("CREATE INDEX charge_purposes_end ON water.charge_purposes (time_limited_end_date)")
    op.execute("""
        CREATE TABLE water.billing_batches (
            billing_batch_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            region_id uuid NOT NULL,
            batch_type varchar(255) NOT NULL,
            from_financial_year_ending integer NOT NULL,
            to_financial_year_ending integer NOT NULL,
            status varchar(255) NOT NULL,
            is_summer boolean NOT NULL DEFAULT false,
            source varchar(255) NOT NULL DEFAULT 'wrls',
            scheme varchar(255),
            legacy_id uuid UNIQUE,
            invoice_count integer CHECK (invoice_count >= 0),
            invoice_value numeric CHECK (invoice_value >= 0),
            date_created timestamp NOT NULL DEFAULT now(),
            date_updated timestamp NOT NULL DEFAULT now()
        )""")
    op.execute("CREATE INDEX billing_batches_status ON water.billing_batches (status)")
    op.execute("""
        CREATE TABLE water.billing_batch_charge_version_years (
            billing_batch_charge_version_year_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            billing_batch_id uuid NOT NULL,
            charge_version_id uuid NOT NULL,
            financial_year_ending integer NOT NULL,
            status varchar(255) NOT NULL,
            transaction_type varchar(255) NOT NULL,
            is_summer boolean NOT NULL,
            has_two_part_agreement boolean DEFAULT false,
            is_chargeable boolean DEFAULT true,
            date_created timestamp NOT NULL DEFAULT now(),
            date_updated timestamp NOT NULL DEFAULT now(),
            UNIQUE (billing_batch_id, charge_version_id, financial_year_ending, transaction_type,
                is_summer)
        )""")
    op.execute("""
        CREATE INDEX billing_batch_charge_version_years_version
            ON water.billing_batch_charge_version_years (charge_version_id)""")


def downgrade() -> None:
    op.execute("DROP SCHEMA water CASCADE")
