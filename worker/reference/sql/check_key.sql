-- One row: a key that is there more than once, and how often.
SELECT count(*), {key}
FROM {table}
GROUP BY {key}
HAVING count(*) > 1
ORDER BY {key}
