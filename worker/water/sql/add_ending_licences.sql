-- One row a licence that this statement has put into workflow.
WITH candidate AS (
    {candidates}
), added AS (
    INSERT INTO water.charge_version_workflows
        (licence_id, licence_version_id, status, data, date_created, date_updated)
    SELECT
        licence_id,
        licence_version_id,
        'to_setup',
        jsonb_build_object('chargeVersion', NULL, 'timeLimitedChargeVersionId', charge_version_id),
        localtimestamp,
        localtimestamp
    FROM candidate
    WHERE NOT (has_ended OR is_in_workflow)
    -- Two runs at once take the rows in one order, so that neither waits for the other in a circle.
    ORDER BY licence_version_id
    ON CONFLICT (licence_version_id) WHERE date_deleted IS NULL DO NOTHING
    RETURNING charge_version_workflow_id, licence_id, licence_version_id, data
)
SELECT
    added.charge_version_workflow_id AS workflow_id,
    added.licence_id,
    added.licence_version_id,
    candidate.licence_ref,
    added.data
FROM added
JOIN candidate USING (licence_id)
ORDER BY candidate.licence_ref, added.licence_id
