-- One row: occupancy and water use in a catchment; the first row of a name comes first.
SELECT nn_catchment, occupancy_rate, water_usage_l_person_day
FROM reference.rates_lookup
WHERE version = %(version)s
ORDER BY id
