"""Builders for ledger tests: connections to a test's database, jobs, and a look at the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import psycopg

from worker.ledger.ledger import Ledger
from worker.ledger.models import Claim, ClaimAnswer, NewDelivery, NewJob
from worker.ledger.outbox import Outbox


def connector(url: str) -> Callable[[], AbstractContextManager[psycopg.Connection]]:
    """A function that gives a connection whose block is one transaction."""

    @contextmanager
    def connect() -> Iterator[psycopg.Connection]:
        with psycopg.connect(url) as connection:
            yield connection

    return connect


def new_job(key: str = "job-1", **changes: object) -> NewJob:
    values: dict[str, object] = {
        "key": key,
        "type": "impact-assessment",
        "payload_hash": "hash",
        "payload": {"developer_email": "someone@example.com"},
        "correlation_id": "trace-1",
        "message_id": "message-1",
        "max_attempts": 3,
    }
    return NewJob(**(values | changes))  # type: ignore[arg-type]


def delivery(slot: str = "result", *, required: bool = True) -> NewDelivery:
    return NewDelivery(slot, "test.kind", {"slot": slot}, required)


@dataclass
class LedgerBench:
    """A ledger on a test's database, as one worker uses it."""

    url: str
    ledger: Ledger = field(init=False)
    outbox: Outbox = field(init=False)

    def __post_init__(self) -> None:
        connect = connector(self.url)
        self.ledger = Ledger(connect)
        self.outbox = Outbox(connect, claim_s=60)

    def claim(
        self,
        job: NewJob | None = None,
        *,
        worker_id: str = "worker-a",
        lease_s: float = 60,
    ) -> ClaimAnswer:
        with psycopg.connect(self.url) as connection:
            return self.ledger.claim(
                connection,
                job or new_job(),
                worker_id=worker_id,
                lease_s=lease_s,
                pinned={},
            )

    def claimed(self, job: NewJob | None = None, **options: object) -> Claim:
        answer = self.claim(job, **options)  # type: ignore[arg-type]
        assert isinstance(answer, Claim), answer
        return answer

    def value(self, query: str, *parameters: object) -> object:
        """The only value of the only row."""
        with psycopg.connect(self.url) as connection:
            row = connection.execute(query.encode(), parameters).fetchone()
        assert row is not None
        return row[0]

    def expire_leases(self) -> None:
        """As if the time of every lease had passed, on the database's clock."""
        with psycopg.connect(self.url) as connection:
            connection.execute(
                "UPDATE jobs.assignment SET expires_at = clock_timestamp() - interval '1 second'"
                " WHERE completed_at IS NULL"
            )
