-- No rows: the version was never complete.
DELETE FROM reference.layer_versions
WHERE layer = %(layer)s AND version = %(version)s AND status = 'loading'
