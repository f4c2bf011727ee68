"""Makes deliveries: claims each from the outbox, hands it to its client, records how it ended.

Independent of SQS: the runner uses it right after a job, and an idle worker sweeps with it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from worker.errors import (
    ConfigurationFault,
    DependencyDown,
    Interrupted,
    PermanentError,
    TransientError,
    WorkerError,
)
from worker.jobs.deliveries import DeliveryReceipt
from worker.ledger.models import Delivery, NewDelivery
from worker.ledger.outbox import ClaimedDelivery, NotNow, Outbox, Superseded
from worker.logs import correlated, logger

_log = logger(__name__)

_MAX_BACKOFF_S = 3600.0
_SWEEP_LIMIT = 20


def backoff_s(attempt: int, base_s: float) -> float:
    """Seconds before try ``attempt`` + 1: base · 4ⁿ ± 20 %, an hour at most."""
    jitter = random.uniform(0.8, 1.2)  # noqa: S311 - spreads retries, protects nothing
    return min(base_s * 4.0 ** max(attempt - 1, 0), _MAX_BACKOFF_S) * jitter


class Delivers(Protocol):
    """What sends a delivery; see ``worker.jobs.deliveries.Deliverer``."""

    def deliver(
        self,
        kind: str,
        payload: Mapping[str, object],
        *,
        reference: str,
        attempts: int,
        before_send: Callable[[], None],
    ) -> DeliveryReceipt: ...


@dataclass(frozen=True, slots=True)
class Round:
    """What became of the deliveries that were tried.

    ``pending``: how many of the job's deliveries are still to be made (0 after a sweep).
    ``rejected``: a required delivery was refused for good, by us or meanwhile by another worker, or
    the job has failed before. ``fault``: we were refused as a client. ``wait_s``: the longest wait
    that a postponed delivery asks for; ``in_turn``: it waits for another of ours, which says
    nothing about the other side.
    """

    made: int = 0
    pending: int = 0
    rejected: WorkerError | None = None
    fault: ConfigurationFault | None = None
    wait_s: float = 0.0
    in_turn: bool = False


RejectionNotices = Callable[[Delivery, WorkerError], tuple[NewDelivery, ...]]


class Courier:
    """Delivers what the outbox holds; ``on_progress`` is called before each delivery."""

    def __init__(
        self,
        outbox: Outbox,
        deliverer: Delivers,
        *,
        backoff_base_s: float,
        notices: RejectionNotices,
        on_progress: Callable[[str], None],
    ) -> None:
        self._outbox = outbox
        self._deliverer = deliverer
        self._backoff_base_s = backoff_base_s
        self._notices = notices
        self._on_progress = on_progress

    def deliver_job(self, job_id: int, checkpoint: Callable[[], None]) -> Round:
        """Make every pending delivery of one job, due or not; stops when we are refused.

        ``checkpoint`` is called before each delivery and may raise Interrupted.
        """
        total = Round()
        tried: set[int] = set()
        while total.fault is None:
            checkpoint()
            claimed = self._outbox.claim_next(job_id=job_id, skip=tried)
            if claimed is None:
                break
            tried.add(claimed.delivery.id)
            total = self._merge(total, self._make(claimed))
        left = self._outbox.remaining(job_id)
        # Another worker's sweep may have found the result refused while we looked for it.
        return replace(total, pending=left.pending, rejected=total.rejected or left.failed)

    def sweep(self, checkpoint: Callable[[], None], *, refused_as: str | None = None) -> Round:
        """Make deliveries of any job that are due: left over by crashes and by failed tries.

        Before them those that were refused with the code ``refused_as``, due or not. Another side
        that refuses us or makes one wait is left alone by the rest of the sweep.
        """
        total = Round()
        tried: set[int] = set()
        left_alone: set[str] = set()
        while len(tried) < _SWEEP_LIMIT:
            checkpoint()
            claimed = self._outbox.claim_next(skip=tried, avoid=left_alone, refused_as=refused_as)
            if claimed is None:
                break
            tried.add(claimed.delivery.id)
            done = self._make(claimed)
            if done.fault is not None or (done.wait_s > 0 and not done.in_turn):
                left_alone.add(claimed.side)
            total = self._merge(total, done)
        return total

    def _make(self, claimed: ClaimedDelivery) -> Round:
        self._on_progress(claimed.delivery.job_key)
        with correlated(claimed.delivery.correlation_id):
            return self._attempt(claimed)

    def _attempt(self, claimed: ClaimedDelivery) -> Round:
        delivery = claimed.delivery
        fields = {
            "job_id": delivery.job_key,
            "delivery": delivery.slot,
            "kind": delivery.kind,
            "reference": delivery.reference,
            "attempt": delivery.attempts,
        }
        started = time.monotonic()

        def took_s() -> float:
            return round(time.monotonic() - started, 3)

        try:
            receipt = self._deliverer.deliver(
                delivery.kind,
                delivery.payload,
                reference=delivery.reference,
                attempts=delivery.attempts,
                before_send=lambda: self._outbox.check(claimed),
            )
        except Interrupted:
            raise
        except Superseded as error:
            _log.info("delivery.superseded", **fields, **_describe(error), duration_s=took_s())
            return Round()
        except PermanentError as error:
            _log.error("delivery.rejected", **fields, **_describe(error), duration_s=took_s())
            return self._rejected(claimed, error)
        except ConfigurationFault as fault:
            _log.error("delivery.refused", **fields, **_describe(fault), duration_s=took_s())
            # Due at once: polling pauses, and this delivery is what asks whether it may go on.
            self._outbox.postponed(claimed, fault, 0)
            return Round(fault=fault)
        except DependencyDown:
            raise
        except TransientError as error:
            wait_s = error.retry_after_s or backoff_s(delivery.attempts, self._backoff_base_s)
            _log.warning(
                "delivery.postponed",
                **fields,
                **_describe(error),
                wait_s=round(wait_s),
                duration_s=took_s(),
            )
            self._outbox.postponed(claimed, error, wait_s)
            return Round(wait_s=wait_s, in_turn=isinstance(error, NotNow))
        except Exception as error:  # noqa: BLE001 - one delivery never ends the loop
            _log.exception("delivery.crashed", **fields, duration_s=took_s())
            unexpected = TransientError(
                "internal_error", "The delivery failed unexpectedly.", detail=type(error).__name__
            )
            wait_s = backoff_s(delivery.attempts, self._backoff_base_s)
            self._outbox.postponed(claimed, unexpected, wait_s)
            return Round(wait_s=wait_s)
        recorded = self._outbox.delivered(
            claimed, {"outcome": receipt.outcome, "detail": receipt.detail, "id": receipt.remote_id}
        )
        if not recorded:
            # Held up while it was sending; whoever claimed it since says what became of it.
            _log.warning("delivery.fenced", **fields, outcome=receipt.outcome, duration_s=took_s())
            return Round()
        _log.info("delivery.made", **fields, outcome=receipt.outcome, duration_s=took_s())
        return Round(made=1)

    def _rejected(self, claimed: ClaimedDelivery, error: PermanentError) -> Round:
        delivery = claimed.delivery
        if not delivery.required:
            self._outbox.rejected(claimed, error)
            return Round()
        self._outbox.rejected(claimed, error, self._notices(delivery, error))
        return Round(rejected=error)

    @staticmethod
    def _merge(total: Round, one: Round) -> Round:
        return Round(
            made=total.made + one.made,
            rejected=one.rejected or total.rejected,
            fault=one.fault or total.fault,
            wait_s=max(total.wait_s, one.wait_s),
        )


def _describe(error: WorkerError) -> dict[str, str]:
    return {"error_code": error.code, "error_detail": error.detail}
