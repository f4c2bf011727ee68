-- One row: a cell of the coefficient layer whose box meets one of the given boxes, after the box's
-- number from 1. A cell that meets several boxes comes once for each. OFFSET 0 keeps the index scan
-- inside the loop over the boxes, whatever the planner believes about their number.
SELECT box.number, cell.id, cell.lu_curr_n_coeff, cell.lu_curr_p_coeff, cell.n_resi_coeff,
    cell.p_resi_coeff, ST_AsBinary(cell.geom)
FROM unnest(%(boxes)s::bytea[]) WITH ORDINALITY AS box (wkb, number)
CROSS JOIN LATERAL (
    SELECT *
    FROM reference.coefficient_layer
    WHERE version = %(version)s AND geom && ST_GeomFromWKB(box.wkb, 27700)
    OFFSET 0
) AS cell
