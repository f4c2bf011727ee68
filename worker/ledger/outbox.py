"""Deliveries: stored with the outcome of a job, claimed, made, and recorded one at a time.

A delivery is claimed for a limited time so that two workers never make it at once; a crash between
sending and recording leaves it claimed, then due again with ``attempts`` > 1, which tells the
client to ask the other side by reference before it sends again.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from worker.errors import (
    DELIVERY_REFUSALS,
    LimitReached,
    PermanentError,
    TransientError,
    WorkerError,
)
from worker.ledger.ledger import REJECTION, Connect, add_deliveries, error_fields
from worker.ledger.models import Delivery, JobIdentity, JsonObject, NewDelivery
from worker.logs import redact
from worker.sqlfiles import statement

# What is left of a claim when the last request has to have begun: it may take its time to end, and
# who claims the delivery next has to find what it did.
_LAST_REQUEST_SHARE = 0.25
# How soon a delivery that has to wait for another asks again.
_TURN_S = 5.0
# Goes on while the process is stopped, and on Linux while the machine is suspended.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A delivery and the token under which this worker may settle it.

    ``last_request_at``: when it may be sent at the latest, on this machine's clock.
    """

    delivery: Delivery
    token: UUID
    last_request_at: float

    @property
    def side(self) -> str:
        """Who takes it, by the first part of its kind: ``backend`` or ``notify``."""
        return self.delivery.kind.partition(".")[0]


class NotNow(TransientError):
    """A delivery may not be sent now, because of what our own workers do."""


class Superseded(WorkerError):
    """A later request has made a result void before it was sent, and it is withheld."""

    def __init__(self, detail: str) -> None:
        super().__init__("superseded", "Something else was asked for later.", detail=detail)


@dataclass(frozen=True, slots=True)
class Remaining:
    """How many deliveries of a job are ``pending``, and why it has ``failed``, if it has."""

    pending: int
    failed: PermanentError | None


class Outbox:
    """The delivery table. ``connect`` gives a connection whose block is one transaction."""

    def __init__(self, connect: Connect, *, claim_s: float) -> None:
        self._connect = connect
        self._claim_s = claim_s

    def claim_next(
        self,
        *,
        job_id: int | None = None,
        skip: Collection[int] = (),
        avoid: Collection[str] = (),
        refused_as: str | None = None,
    ) -> ClaimedDelivery | None:
        """The next delivery to make, of one job (due or not) or of any (due ones only).

        One that was refused with the code ``refused_as`` comes first, due or not. ``skip``: ids of
        deliveries, ``avoid``: other sides (see ``ClaimedDelivery.side``) that are left alone.
        """
        token = uuid4()
        # Before the database grants it, so that it is over here no later than there.
        last_request_at = time.clock_gettime(_CLOCK) + self._claim_s * (1 - _LAST_REQUEST_SHARE)
        with self._connect() as connection:
            cursor = connection.cursor(row_factory=class_row(Delivery))
            delivery = cursor.execute(
                statement(__package__, "claim_delivery"),
                {
                    "job_id": job_id,
                    "skip": list(skip),
                    "avoid": list(avoid),
                    "refused_as": refused_as,
                    "token": token,
                    "lease_s": self._claim_s,
                },
            ).fetchone()
        return None if delivery is None else ClaimedDelivery(delivery, token, last_request_at)

    def check(self, claimed: ClaimedDelivery) -> None:
        """Whether it may be sent now; asked before each request.

        Raises NotNow ``delivery_claim_over`` if somebody else may be sending it, or has
        withheld it, and ``delivery_has_to_wait`` while another result about the same subject may be
        on its way. Raises Superseded, and has withheld it, if a later request is known.

        Two results about one subject are never sent at once, since each asks after its own claim
        was committed; nor is an older one after a newer, since a request is committed before its
        result is.
        """
        if time.clock_gettime(_CLOCK) >= claimed.last_request_at:
            raise _claim_over("nothing was sent; the next try looks whether another worker has")
        whose = {"id": claimed.delivery.id, "token": claimed.token}
        withheld = None
        with self._connect() as connection:
            row = connection.execute(statement(__package__, "check_delivery"), whose).fetchone()
            is_superseded, has_to_wait = row or (False, False)
            if is_superseded:
                job = {"job_id": claimed.delivery.job_id}
                connection.execute(statement(__package__, "lock_job"), job)
                withheld = connection.execute(
                    statement(__package__, "supersede_delivery"), whose
                ).fetchone()
        if row is None:
            raise _claim_over("it was withheld, or another worker has claimed it")
        if withheld is not None:
            raise Superseded(withheld[0])
        if is_superseded or has_to_wait:
            raise NotNow(
                "delivery_has_to_wait",
                "Another result for the same place may be on its way.",
                retry_after_s=_TURN_S,
            )

    def delivered(self, claimed: ClaimedDelivery, response: JsonObject) -> bool:
        """It reached the other side; False if the claim was no longer ours."""
        return self._settle(claimed, "DELIVERED", 0, None, response)

    def postponed(self, claimed: ClaimedDelivery, error: WorkerError, wait_s: float) -> None:
        """It did not, but may after ``wait_s`` seconds.

        An error that is no answer leaves the code of a refusal in its place.
        """
        self._settle(claimed, "PENDING", wait_s, error, None)

    def rejected(
        self, claimed: ClaimedDelivery, error: WorkerError, notices: Sequence[NewDelivery] = ()
    ) -> None:
        """The other side refused it for good.

        Without a required delivery the job has FAILED, and ``notices`` say so; its result stays,
        so that a redrive delivers it again instead of computing it again. All of it is one
        transaction, and none of it happens once somebody else has claimed the delivery.
        """
        with self._connect() as connection:
            if not self._settle_in(connection, claimed, "REJECTED", 0, error, None):
                return
            if claimed.delivery.required:
                cursor = connection.cursor(row_factory=class_row(JobIdentity))
                job = cursor.execute(
                    statement(__package__, "reject_job"),
                    {"job_id": claimed.delivery.job_id, **error_fields(error)},
                ).fetchone()
                if job is not None:
                    add_deliveries(connection, job, notices, REJECTION)

    def remaining(self, job_id: int) -> Remaining:
        """What is left of the job's deliveries, and whether it has failed, at one moment."""
        with self._connect() as connection:
            row = connection.execute(
                statement(__package__, "pending_deliveries"), {"job_id": job_id}
            ).fetchone()
        assert row is not None
        pending, code, sentence = row
        return Remaining(pending, None if code is None else PermanentError(code, sentence))

    def is_refused(self, code: str) -> bool:
        """Whether a delivery that was refused with this code has not been made since."""
        with self._connect() as connection:
            row = connection.execute(
                statement(__package__, "refused_deliveries"), {"code": code}
            ).fetchone()
        return bool(row and row[0])

    def _settle(
        self,
        claimed: ClaimedDelivery,
        status: str,
        wait_s: float,
        error: WorkerError | None,
        response: JsonObject | None,
    ) -> bool:
        with self._connect() as connection:
            return self._settle_in(connection, claimed, status, wait_s, error, response)

    @staticmethod
    def _settle_in(
        connection: Connection,
        claimed: ClaimedDelivery,
        status: str,
        wait_s: float,
        error: WorkerError | None,
        response: JsonObject | None,
    ) -> bool:
        """Whether the claim was still ours, and it not withheld; if not, nothing was written."""
        whose = {"id": claimed.delivery.id, "token": claimed.token}
        answered = not isinstance(error, TransientError) or isinstance(error, LimitReached)
        row = connection.execute(
            statement(__package__, "settle_delivery"),
            {
                **whose,
                "status": status,
                "wait_s": wait_s,
                "error_code": error.code if error else None,
                "kept_codes": [] if answered else list(DELIVERY_REFUSALS),
                "error_detail": redact(str(error)) if error else None,
                "response": None if response is None else Jsonb(response),
            },
        ).fetchone()
        if row is None:
            connection.execute(statement(__package__, "release_delivery"), whose)
        return row is not None


def _claim_over(detail: str) -> NotNow:
    return NotNow(
        "delivery_claim_over", "The worker was held up before it could send.", detail=detail
    )
