"""Levy rates as they are read from the reference data."""

from __future__ import annotations

from decimal import Decimal

import psycopg
from psycopg import sql

from worker.jobs.levy import LevyRate, read_levy_rates


def test_rates_of_one_version_are_read_exactly_and_by_tidy_name(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        for version, per_kg_n in ((1, "1"), (2, "2000.105")):
            connection.execute(
                sql.SQL(
                    "CREATE TABLE reference.{} PARTITION OF reference.levy_rates FOR VALUES IN ({})"
                ).format(sql.Identifier(f"levy_rates_{version}"), sql.Literal(version))
            )
            connection.execute(
                "INSERT INTO reference.levy_rates (version, nn_catchment, gbp_per_kg_n,"
                " gbp_per_kg_p, inflation_factor, model_version, is_sample, id)"
                " VALUES (%s, %s, %s, 30000, 1.1, 3, true, 1)",
                (version, "The  Broads SAC ", per_kg_n),
            )

        assert read_levy_rates(connection, 2) == {
            "The Broads SAC": LevyRate(
                nn_catchment="The  Broads SAC ",
                gbp_per_kg_n=Decimal("2000.105"),
                gbp_per_kg_p=Decimal(30000),
                inflation_factor=Decimal("1.1"),
                model_version=3,
                is_sample=True,
            )
        }
        assert read_levy_rates(connection, 3) == {}
