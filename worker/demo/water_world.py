"""Licences with versions, charge information, bill runs and workflow rows, as their owner has them.

Each method adds rows and returns the id of the main one. Defaults are a licence that is in force.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

CREATED = datetime(2026, 6, 1, 9, 30)  # noqa: DTZ001 - the column has no time zone


@dataclass
class WaterWorld:
    """Builds rows on a connection; the caller's transaction keeps or drops them."""

    connection: psycopg.Connection
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def licence(self, **changes: object) -> UUID:
        return self._insert(
            "licences",
            "licence_id",
            {
                "region_id": uuid4(),
                "licence_ref": f"01/{next(self._numbers):05}",
                "is_water_undertaker": False,
                "regions": Jsonb({}),
                "start_date": date(2010, 4, 1),
            }
            | changes,
        )

    def version(self, licence: UUID, **changes: object) -> UUID:
        return self._insert(
            "licence_versions",
            "licence_version_id",
            {
                "licence_id": licence,
                "issue": 1,
                "increment": 0,
                "status": "current",
                "start_date": date(2010, 4, 1),
                "external_id": f"v:{uuid4()}",
                "date_created": CREATED,
            }
            | changes,
        )

    def charge_version(self, licence: UUID, **changes: object) -> UUID:
        return self._insert(
            "charge_versions",
            "charge_version_id",
            {
                "licence_id": licence,
                "licence_ref": "01/1",
                "scheme": "sroc",
                "version_number": 1,
                "start_date": date(2022, 4, 1),
                "status": "current",
                "region_code": 1,
                "source": "wrls",
            }
            | changes,
        )

    def reference(self, charge_version: UUID, **changes: object) -> UUID:
        """A charge reference: the legacy table is ``charge_elements``."""
        return self._insert(
            "charge_elements",
            "charge_element_id",
            {
                "charge_version_id": charge_version,
                "source": "non-tidal",
                "loss": "high",
                "scheme": "sroc",
                "volume": 12.5,
            }
            | changes,
        )

    def element(self, reference: UUID, ends: date | None = None, **changes: object) -> UUID:
        """A charge element: the legacy table is ``charge_purposes``."""
        return self._insert(
            "charge_purposes",
            "charge_purpose_id",
            {
                "charge_element_id": reference,
                "abstraction_period_start_day": 1,
                "abstraction_period_start_month": 4,
                "abstraction_period_end_day": 31,
                "abstraction_period_end_month": 3,
                "authorised_annual_quantity": 12.5,
                "loss": "high",
                "factors_overridden": False,
                "purpose_use_id": uuid4(),
                "time_limited_end_date": ends,
            }
            | changes,
        )

    def bill_run(self, charge_version: UUID, status: str) -> UUID:
        """A bill run of the old engine that bills this charge version."""
        run = self._insert(
            "billing_batches",
            "billing_batch_id",
            {
                "region_id": uuid4(),
                "batch_type": "supplementary",
                "from_financial_year_ending": 2021,
                "to_financial_year_ending": 2022,
                "status": status,
            },
        )
        self._insert(
            "billing_batch_charge_version_years",
            "billing_batch_charge_version_year_id",
            {
                "billing_batch_id": run,
                "charge_version_id": charge_version,
                "financial_year_ending": 2022,
                "status": "ready",
                "transaction_type": "supplementary",
                "is_summer": False,
            },
        )
        return run

    def workflow(self, licence: UUID, version: UUID | None, **changes: object) -> UUID:
        return self._insert(
            "charge_version_workflows",
            "charge_version_workflow_id",
            {
                "licence_id": licence,
                "licence_version_id": version,
                "status": "review",
                "date_created": CREATED,
            }
            | changes,
        )

    def workflows(self) -> list[dict[str, object]]:
        """Every workflow row, the live ones and the others."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(
                "SELECT * FROM water.charge_version_workflows ORDER BY date_created"
            ).fetchall()

    def _insert(self, table: str, key: str, values: dict[str, object]) -> UUID:
        row = self.connection.execute(
            sql.SQL("INSERT INTO water.{} ({}) VALUES ({}) RETURNING {}").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join(sql.Placeholder() * len(values)),
                sql.Identifier(key),
            ),
            list(values.values()),
        ).fetchone()
        assert row is not None
        identity = row[0]
        assert isinstance(identity, UUID)
        return identity
