-- One row: an entry of the list, locked against its provider's answer until the decision about it
-- is written.
SELECT i.id
FROM "ListItem" AS i
WHERE i."listId" = %(list_id)s
ORDER BY i.id
FOR UPDATE
