-- One row a licence version that was created since the start of the window, with what speaks
-- against putting it into workflow. Whole sets are joined: the tables' owner has few indexes.
WITH ever_in_workflow AS (
    SELECT DISTINCT licence_version_id
    FROM water.charge_version_workflows
), being_billed AS (
    SELECT DISTINCT charge_version.licence_id
    FROM water.billing_batches AS bill_run
    JOIN water.billing_batch_charge_version_years AS billed USING (billing_batch_id)
    JOIN water.charge_versions AS charge_version USING (charge_version_id)
    WHERE bill_run.status IN ('processing', 'queued', 'ready', 'review')
), charged AS (
    SELECT DISTINCT licence_id
    FROM water.charge_versions
)
SELECT
    version.licence_version_id,
    version.licence_id,
    licence.licence_ref,
    version.issue,
    version.increment,
    version.date_created,
    version.status = 'draft' AS is_draft,
    ever_in_workflow.licence_version_id IS NOT NULL AS was_in_workflow,
    being_billed.licence_id IS NOT NULL AS is_being_billed,
    charged.licence_id IS NOT NULL AS charge_version_exists
FROM water.licence_versions AS version
LEFT JOIN water.licences AS licence USING (licence_id)
LEFT JOIN ever_in_workflow USING (licence_version_id)
LEFT JOIN being_billed USING (licence_id)
LEFT JOIN charged USING (licence_id)
WHERE version.date_created >= %(window_start)s::timestamp
