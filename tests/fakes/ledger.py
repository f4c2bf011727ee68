"""Builders for ledger tests: connections to a test's database, jobs, and a hand in the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import psycopg

from worker.errors import WorkerError
from worker.ledger.ledger import Ledger
from worker.ledger.models import Claim, ClaimAnswer, NewDelivery, NewJob, StoredJob
from worker.ledger.outbox import Outbox
from worker.ledger.reaper import Reaped, reap

# As another worker claims a delivery, and as its claim ends.
CLAIM_FOR_AN_HOUR = (
    "UPDATE jobs.delivery SET claimed_by = gen_random_uuid(), claimed_until = now() + '1 h'"
    " WHERE claimed_by IS NULL RETURNING 1"
)
END_CLAIM = "UPDATE jobs.delivery SET claimed_until = now() RETURNING 1"


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


def status(bench: LedgerBench, key: str = "job-1") -> object:
    """How the job stands."""
    return bench.value("SELECT status::text FROM jobs.job WHERE key = %s", key)


def outcomes(bench: LedgerBench) -> object:
    """How each attempt of every job has ended, in their order."""
    return bench.value("SELECT array_agg(outcome ORDER BY id) FROM jobs.assignment")


def reaped(bench: LedgerBench) -> tuple[Reaped, ...]:
    """What the reaper ends when a job may wait for a day."""
    own = (new_job().type,)
    return reap(connector(bench.url), types=own, pending_limit_s=86_400, notices=_told)


def _told(job: StoredJob, error: WorkerError) -> tuple[NewDelivery, ...]:
    return (NewDelivery("failed-support", "test.kind", {"job": job.key, "code": error.code}),)
