-- One row a licence version that this statement has put into workflow.
WITH candidate AS (
    {candidates}
), added AS (
    INSERT INTO water.charge_version_workflows
        (licence_id, licence_version_id, status, data, date_created, date_updated)
    SELECT
        licence_id,
        licence_version_id,
        'to_setup',
        jsonb_build_object('chargeVersion', NULL, 'chargeVersionExists', charge_version_exists),
        localtimestamp,
        localtimestamp
    FROM candidate
    WHERE NOT (is_draft OR was_in_workflow OR is_being_billed)
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
JOIN candidate USING (licence_version_id)
ORDER BY candidate.licence_ref, candidate.issue, candidate.increment, added.licence_version_id
