-- One row: until the end of the transaction, room for sorting and indexing millions of rows, no
-- limit on the time that takes, and an end to it soon after the loading process is gone.
SELECT
    set_config('statement_timeout', '0', true),
    set_config('work_mem', '128MB', true),
    set_config('maintenance_work_mem', '256MB', true),
    set_config('client_connection_check_interval', '2s', true)
