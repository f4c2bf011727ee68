-- One row: a national pond whose box meets one of the given boxes. A pond that meets several boxes
-- comes several times. OFFSET 0 keeps the index scan inside the loop over the boxes, whatever the
-- planner believes about their number.
SELECT pond.id, ST_AsBinary(pond.geom)
FROM unnest(%(boxes)s::bytea[]) AS box (wkb)
CROSS JOIN LATERAL (
    SELECT *
    FROM reference.gcn_ponds
    WHERE version = %(version)s AND geom && ST_GeomFromWKB(box.wkb, 27700)
    OFFSET 0
) AS pond
