-- The cells of a window as a version of their own: the same cells around the same sites, in a
-- layer of smaller extent.
INSERT INTO reference.coefficient_layer_v2
SELECT 2, id, crome_id, land_use_cat, nn_catchment, subcatchment,
    lu_curr_n_coeff, lu_curr_p_coeff, n_resi_coeff, p_resi_coeff, geom
FROM reference.coefficient_layer
WHERE version = 1
    AND geom && ST_MakeEnvelope(%(west)s, %(south)s, %(east)s, %(north)s, 27700)
