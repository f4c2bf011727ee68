"""What waits in the ledger, for alarms: deliveries, and jobs that no message seems to bring."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.rows import class_row

from worker.ledger.ledger import Connect
from worker.sqlfiles import statement

# The loop asks between two polls, and a figure is not worth waiting for.
LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Stock:
    """Deliveries still to be made, the age of the oldest in seconds, and stranded jobs."""

    deliveries_pending: int
    oldest_delivery_s: float
    jobs_stranded: int


def take_stock(connect: Connect, *, stranded_after_s: float, limit_s: float = LIMIT_S) -> Stock:
    """Count; a job is stranded when it is open and was not touched for ``stranded_after_s``.

    The dead-letter queue is not asked: looking into it counts as a receive of each letter, and a
    message that was never claimed is told by the depth of the queue anyway.
    """
    with connect() as connection:
        connection.execute(
            b"SELECT set_config('statement_timeout', %(limit)s, true)",
            {"limit": f"{limit_s * 1000:.0f}ms"},
        )
        cursor = connection.cursor(row_factory=class_row(Stock))
        stock = cursor.execute(
            statement(__package__, "measure"), {"stranded_after_s": stranded_after_s}
        ).fetchone()
    if stock is None:
        raise AssertionError("counting gives a row whatever there is")
    return stock
