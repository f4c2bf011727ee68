"""Invented lookup tables as an SQLite file, in the form in which the real ones are published."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from worker.reference.synthetic.places import SITE_NAMES, WORKS_WITHOUT_LOOKUP, Works

_WORKS_TABLE = """
    CREATE TABLE WwTw_lookup (
        Subcatchment_name TEXT, WwTW_name TEXT, WwTW_code TEXT,
        Nitrogen_2025_2030 TEXT, Nitrogen_2030_onwards REAL,
        Phosphorus_2025_2030 TEXT, Phosphorus_2030_onwards TEXT)"""
_RATES_TABLE = """
    CREATE TABLE rates_lookup (
        NN_Catchment TEXT, Occ_Rate REAL, Water_Usage_L_Day INTEGER)"""
_LEVY_TABLE = """
    CREATE TABLE levy_rates (
        nn_catchment TEXT, gbp_per_kg_n TEXT, gbp_per_kg_p TEXT,
        inflation_factor TEXT, model_version INTEGER, is_sample INTEGER)"""

# One catchment with other rates than the usual 2.4 persons and 120 litres; the last two as in
# the published table, where they are not catchments.
_RATES = (
    (SITE_NAMES[0], 2.4, 120),
    (SITE_NAMES[1], 2.2, 110),
    (SITE_NAMES[2], 2.4, 120),
    ("Hotel", 1.0, 240),
    ("Student Accommodation", 1.0, 120),
)
_LEVY = (
    (SITE_NAMES[0], "2500.00", "61000.00", "1.03", 1, 1),
    (SITE_NAMES[1], "2750.00", "64500.00", "1.03", 1, 1),
    (SITE_NAMES[2], "2300.00", "58000.00", "1.03", 1, 1),
)
# mg/l: a package treatment plant is what a site without a works gets.
_DEFAULT_WORKS = (None, "Package Treatment Plant default", "141", "25", 25.0, "9.7", "9.7")


def write_lookups(path: Path, works: Iterable[Works], rng: np.random.Generator) -> int:
    """Write the three tables to ``path`` (new); returns how many rows."""
    tables: tuple[tuple[str, str, Sequence[tuple[object, ...]]], ...] = (
        ("WwTw_lookup", _WORKS_TABLE, _works_rows(works, rng)),
        ("rates_lookup", _RATES_TABLE, _RATES),
        ("levy_rates", _LEVY_TABLE, _LEVY),
    )
    with closing(sqlite3.connect(path)) as database, database:
        for name, definition, rows in tables:
            database.execute(definition)
            places = ", ".join("?" * len(rows[0]))
            insert = f"INSERT INTO {name} VALUES ({places})"  # noqa: S608 - our own three names
            database.executemany(insert, rows)
    return sum(len(rows) for _, _, rows in tables)


def _works_rows(works: Iterable[Works], rng: np.random.Generator) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = [_DEFAULT_WORKS]
    for position, one in enumerate(works):
        if one.code == WORKS_WITHOUT_LOOKUP:
            continue
        nitrogen = round(float(rng.uniform(8, 30)), 1)
        phosphorus = round(float(rng.uniform(0.25, 8)), 2)
        # Every seventh works has no nitrogen permit.
        permits = (None, None) if position % 7 == 6 else (str(nitrogen), min(nitrogen, 10.0))
        rows.append(
            (
                one.subcatchment,
                # Published names and codes carry white space.
                f"{one.name} ",
                f"\t{one.code}" if position % 2 else str(one.code),
                *permits,
                str(phosphorus),
                str(min(phosphorus, 0.25)),
            )
        )
    rows.append((None, "Septic Tank default", None, "96.3", 96.3, "11.6", "11.6"))
    rows.append(("Northern Becks", "Twin Mills WRC", "1995 or 1996", "20", 10.0, "2", "0.25"))
    return rows
