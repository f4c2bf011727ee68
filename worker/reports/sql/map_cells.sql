-- One row: the land use of a coefficient cell whose box meets the frame, and its outline. At most
-- one more than the map can show, so that the reader of the rows knows when there are too many.
SELECT cell.land_use_cat, ST_AsBinary(cell.geom)
FROM reference.coefficient_layer AS cell
WHERE cell.version = %(version)s
    AND cell.geom && ST_MakeEnvelope(%(west)s, %(south)s, %(east)s, %(north)s, 27700)
LIMIT %(limit)s
