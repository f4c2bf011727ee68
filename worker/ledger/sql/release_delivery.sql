-- A delivery that was withheld while it was under way and has not arrived keeps nobody waiting.
UPDATE jobs.delivery
SET claimed_by = NULL, claimed_until = NULL
WHERE id = %(id)s AND claimed_by = %(token)s
