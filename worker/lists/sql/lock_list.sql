-- One row: the list, locked until the end of the transaction against edits of its JSON.
SELECT l.id
FROM "List" AS l
WHERE l.id = %(list_id)s
FOR UPDATE
