-- One row a licence with a current version and live SROC charge information of which an element
-- ends before the limit, with what speaks against putting it into workflow. Among several versions
-- and charge versions it is the one that the workflow row will name.
WITH in_workflow AS (
    SELECT DISTINCT licence_id
    FROM water.charge_version_workflows
    WHERE date_deleted IS NULL
)
SELECT DISTINCT ON (licence.licence_id)
    licence.licence_id,
    licence.licence_ref,
    version.licence_version_id,
    charge_version.charge_version_id,
    element.time_limited_end_date,
    NOT (
        coalesce(licence.expired_date > %(run_date)s::date, true)
        AND licence.revoked_date IS NULL
        AND licence.lapsed_date IS NULL
    ) AS has_ended,
    in_workflow.licence_id IS NOT NULL AS is_in_workflow
FROM water.licences AS licence
JOIN water.licence_versions AS version
    ON version.licence_id = licence.licence_id
    AND version.status = 'current'
JOIN water.charge_versions AS charge_version
    ON charge_version.licence_id = licence.licence_id
    AND charge_version.status = 'current'
    AND charge_version.scheme = 'sroc'
    AND charge_version.end_date IS NULL
-- The legacy names mislead: a charge_element is what people call a charge reference, and a
-- charge_purpose is their charge element.
JOIN water.charge_elements AS reference
    ON reference.charge_version_id = charge_version.charge_version_id
JOIN water.charge_purposes AS element
    ON element.charge_element_id = reference.charge_element_id
    AND element.time_limited_end_date < %(ends_before)s::date
LEFT JOIN in_workflow
    ON in_workflow.licence_id = licence.licence_id
ORDER BY
    licence.licence_id,
    element.time_limited_end_date,
    charge_version.start_date DESC,
    charge_version.version_number DESC,
    charge_version.charge_version_id,
    version.issue DESC,
    version.increment DESC,
    version.licence_version_id
