INSERT INTO bench_site VALUES (%(number)s, ST_GeomFromText(%(wkt)s, 27700))
