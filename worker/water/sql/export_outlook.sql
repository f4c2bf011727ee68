-- One row a schema, in the order asked for: its tables (partitions belong to theirs), the room
-- that they take in the database, and which of them this role may not read.
SELECT
    asked.name AS schema_name,
    count(class.oid) FILTER (WHERE NOT class.relispartition) AS tables,
    pg_size_pretty(coalesce(sum(pg_table_size(class.oid)), 0)) AS size,
    coalesce(
        array_agg(class.relname::text ORDER BY class.relname) FILTER (
            WHERE NOT class.relispartition
            AND NOT (
                has_schema_privilege(namespace.oid, 'USAGE')
                AND has_table_privilege(class.oid, 'SELECT')
            )
        ),
        '{}'
    ) AS unreadable
FROM unnest(%(schemas)s::text[]) WITH ORDINALITY AS asked (name, place)
LEFT JOIN pg_namespace AS namespace ON namespace.nspname = asked.name
LEFT JOIN pg_class AS class
    ON class.relnamespace = namespace.oid
    AND class.relkind IN ('r', 'p')
    AND class.relpersistence <> 't'
GROUP BY asked.place, asked.name
ORDER BY asked.place
