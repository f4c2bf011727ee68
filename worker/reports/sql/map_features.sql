-- One row: the name of a feature of a layer, and the part of it that lies in the frame (it may be
-- empty). Parts are for drawing only: where a feature is invalid they may be too.
SELECT {name}, ST_AsBinary(ST_ClipByBox2D(feature.geom, frame.box))
FROM ST_MakeEnvelope(%(west)s, %(south)s, %(east)s, %(north)s, 27700) AS frame (box)
JOIN {layer} AS feature ON feature.geom && frame.box
WHERE feature.version = %(version)s
ORDER BY feature.id
