-- One row: a part whose box meets one of the given boxes, after what its feature is called.
-- A part that meets several boxes comes several times.
SELECT {key}, ST_AsBinary(part.geom)
FROM unnest(%(boxes)s::bytea[]) AS box (wkb)
JOIN {parts} AS part ON part.geom && ST_GeomFromWKB(box.wkb, 27700)
JOIN {layer} AS feature ON feature.version = part.version AND feature.id = part.id
WHERE part.version = %(version)s
