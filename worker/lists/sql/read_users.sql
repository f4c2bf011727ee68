-- One row: a member of the embassy's staff who looks after the list.
SELECT u.id, u.email
FROM "User" AS u
JOIN "_ListToUser" AS lu ON lu."B" = u.id
WHERE lu."A" = %(list_id)s AND btrim(u.email) <> ''
ORDER BY u.id
