-- No rows: the version's rows are gone; its number and its record stay.
UPDATE reference.layer_versions
SET status = 'pruned'
WHERE layer = %(layer)s AND version = %(version)s
