"""Erases personal data of finished jobs: payloads and what was sent to whom. Results stay."""

from __future__ import annotations

from worker.ledger.ledger import Connect
from worker.sqlfiles import statement


def erase_personal_data(connect: Connect, *, retention_days: int) -> int:
    """Erase what is older than ``retention_days``; returns how many jobs were erased.

    A job whose deliveries are still pending keeps them until they are made.
    """
    with connect() as connection:
        rows = connection.execute(
            statement(__package__, "erase_personal_data"), {"retention_days": retention_days}
        ).fetchall()
    return len(rows)
