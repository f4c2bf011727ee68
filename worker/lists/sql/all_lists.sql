-- One row: the id of a list.
SELECT l.id
FROM "List" AS l
ORDER BY l.id
