-- One row: a value that the other layer should know and does not.
SELECT DISTINCT own.{column}::text
FROM {table} AS own
WHERE
    own.version = %(version)s
    AND own.{column} IS NOT NULL
    AND NOT EXISTS (
        SELECT FROM {other} AS other
        WHERE other.version = %(other_version)s AND other.{other_column} = own.{column}
    )
ORDER BY 1
