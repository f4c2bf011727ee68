-- One row a column of a table to export, in the order of the tables' names and of the columns;
-- a table without columns has one row with NULL for the column. Partitions are left out, since
-- the table that they belong to has their rows, and so is what holds no rows of its own.
WITH RECURSIVE base_types AS (
    SELECT oid AS type, oid AS base, typtype, typbasetype
    FROM pg_catalog.pg_type
    UNION ALL
    SELECT domain.type, pg_type.oid, pg_type.typtype, pg_type.typbasetype
    FROM base_types AS domain
    JOIN pg_catalog.pg_type ON pg_type.oid = domain.typbasetype
    WHERE domain.typtype = 'd'
)
SELECT
    namespace.nspname AS schema_name,
    class.relname AS table_name,
    class.relkind = 'p' AS is_partitioned,
    attribute.attname AS column_name,
    base.typname AS base_type,
    base.typcategory = 'A' AS is_array
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
LEFT JOIN pg_catalog.pg_attribute AS attribute
    ON attribute.attrelid = class.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
LEFT JOIN base_types ON base_types.type = attribute.atttypid AND base_types.typtype <> 'd'
LEFT JOIN pg_catalog.pg_type AS base ON base.oid = base_types.base
WHERE
    namespace.nspname = ANY (%(schemas)s)
    AND class.relkind IN ('r', 'p')
    AND class.relpersistence <> 't'
    AND NOT class.relispartition
ORDER BY namespace.nspname, class.relname COLLATE "C", attribute.attnum
