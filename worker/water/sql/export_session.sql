-- No rows wanted: settings of this session, so that what is written depends neither on the
-- role's own settings nor on the order in which other scans happen to run. Row security raises an
-- error instead of hiding rows. Nothing limits how long a large table takes but the job's limit.
SELECT
    set_config('client_encoding', 'UTF8', false),
    set_config('datestyle', 'ISO, YMD', false),
    set_config('extra_float_digits', '1', false),
    set_config('idle_in_transaction_session_timeout', '0', false),
    set_config('intervalstyle', 'iso_8601', false),
    set_config('lc_monetary', 'C', false),
    set_config('max_parallel_workers_per_gather', '0', false),
    set_config('row_security', 'off', false),
    set_config('search_path', 'pg_catalog', false),
    set_config('standard_conforming_strings', 'on', false),
    set_config('statement_timeout', '0', false),
    set_config('synchronize_seqscans', 'off', false),
    set_config('timezone', 'UTC', false)
