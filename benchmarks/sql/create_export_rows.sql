-- No rows wanted: a table with the mix of types of the licensing tables, some 230 bytes a row as
-- CSV. A third of the notes is missing.
CREATE UNLOGGED TABLE large.charge_elements AS
SELECT
    gen_random_uuid() AS charge_element_id,
    '28/39/' || n || '/R01' AS licence_ref,
    (n %% 97)::integer AS purpose,
    (random() * 100000)::numeric(12, 2) AS authorised_annual_quantity,
    random() * 1000 AS loss_factor,
    date '2000-01-01' + (n %% 9000)::integer AS start_date,
    CASE WHEN n %% 4 = 0 THEN date '2027-01-01' + (n %% 900)::integer END AS end_date,
    timestamp '2020-01-01' + n * interval '1.234 s' AS date_created,
    timestamp '2021-01-01' + n * interval '2.3 s' AS date_updated,
    n %% 2 = 0 AS is_section_127_agreement_enabled,
    CASE WHEN n %% 3 > 0 THEN 'Trickle "high" loss, zone ' || md5((n %% 1000)::text) END AS note,
    jsonb_build_object('naldId', n, 'months', jsonb_build_array(n %% 12, 12)) AS metadata,
    n::bigint AS external_id
FROM generate_series(1, %(rows)s::bigint) AS n
