-- One row: a treatment works with its permits. Of rows with the same code the first counts.
SELECT DISTINCT ON (wwtw_code)
    wwtw_code, name, subcatchment,
    n_conc_2025_2030, n_conc_2030_onwards, p_conc_2025_2030, p_conc_2030_onwards
FROM reference.wwtw_lookup
WHERE version = %(version)s
ORDER BY wwtw_code, source_row, id
