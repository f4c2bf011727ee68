-- One row: the levy rates of a catchment in one version of the layer.
SELECT nn_catchment, gbp_per_kg_n, gbp_per_kg_p, inflation_factor, model_version, is_sample
FROM reference.levy_rates
WHERE version = %(version)s
ORDER BY nn_catchment
