-- One row: whether this version of a layer holds any feature.
SELECT EXISTS (SELECT FROM {layer} WHERE version = %(version)s)
