CREATE TEMPORARY TABLE bench_site (number integer, geom geometry(Geometry, 27700))
