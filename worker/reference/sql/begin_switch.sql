-- One row: the number of a switch.
INSERT INTO reference.switches (action, reason, made_by)
VALUES (%(action)s, %(reason)s, %(made_by)s)
RETURNING id
