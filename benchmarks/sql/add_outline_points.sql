-- Gives a generated catchment some 4,000 points, as many as a published one of a third of its area
-- has. What a whole catchment costs to intersect goes with their number.
UPDATE {table} SET geom = ST_Segmentize(geom, 30)
