"""How attempts end in the ledger: written and told, or left until the database takes the end.

What an end says is logged once it is stored, never before. One that the database does not take is
kept in memory and written as soon as it answers, before the next poll and the next message of a
batch, or when the worker ends: the token fences it, so it cannot come too late to be safe. If
somebody has ended the attempt meanwhile because its lease had passed, it does not count: it was the
database that was away, not the worker.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from worker.errors import DependencyDown, PermanentError, TransientError, WorkerError
from worker.ledger.ledger import LeaseLost, Ledger
from worker.ledger.models import Claim, JobStatus, NewDelivery
from worker.logs import logger
from worker.settings import VISIBILITY_MARGIN_S
from worker.verdicts import DELETE, KEEP, Action, Verdict

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class _End:
    """One way for an attempt to end: what is written, and what is logged once it is."""

    claim: Claim
    duration_s: float
    write: Callable[[], None]
    tell: Callable[[], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Left:
    """An end that was not written because of ``failure``; its lines have the context it had."""

    end: _End
    failure: TransientError
    context: contextvars.Context


class Attempts:
    """Ends attempts; each method gives the message's verdict if the end could not be written.

    ``duration_s`` is what the attempt took; ``lease_s`` how long a lease lasts.
    """

    def __init__(self, ledger: Ledger, *, lease_s: float) -> None:
        self._ledger = ledger
        self._lease_s = lease_s
        self._left: list[_Left] = []

    def fail(
        self,
        claim: Claim,
        error: PermanentError,
        notices: Sequence[NewDelivery],
        *,
        duration_s: float,
    ) -> Verdict | None:
        """FAILED for good, with the notices to the requester."""

        def tell() -> None:
            _log.error(
                "job.failed",
                error_code=error.code,
                error_sentence=error.sentence,
                error_detail=error.detail,
                duration_s=duration_s,
            )

        return self._end(
            _End(claim, duration_s, lambda: self._ledger.fail(claim, error, notices), tell)
        )

    def retry_later(
        self, claim: Claim, error: TransientError, *, duration_s: float
    ) -> Verdict | None:
        """Back to PENDING; the attempt stays counted."""

        def tell() -> None:
            _log.warning(
                "job.retried",
                error_code=error.code,
                error_detail=error.detail,
                duration_s=duration_s,
            )

        return self._end(
            _End(claim, duration_s, lambda: self._ledger.retry_later(claim, error), tell)
        )

    def hand_back(self, claim: Claim, error: WorkerError, *, duration_s: float) -> Verdict | None:
        """Back to PENDING; the attempt does not count."""

        def tell() -> None:
            _log.warning(
                "job.handed_back",
                error_code=error.code,
                error_detail=error.detail,
                duration_s=duration_s,
            )

        return self._end(
            _End(claim, duration_s, lambda: self._ledger.hand_back(claim, error), tell)
        )

    def lost(self, claim: Claim, *, duration_s: float) -> Verdict:
        """A renewal has found the attempt closed by somebody else."""
        return self._not_ours(claim, "lease.lost", duration_s)

    def fenced(self, claim: Claim, *, duration_s: float) -> Verdict:
        """A write has found it closed."""
        return self._not_ours(claim, "claim.fenced", duration_s)

    def write_left(self) -> None:
        """Write the ends that were left, as far as the database takes them now."""
        for left in tuple(self._left):
            try:
                written = left.context.run(self._written, left)
            except DependencyDown:
                return
            if written:
                self._left.remove(left)

    def _end(self, end: _End) -> Verdict | None:
        try:
            end.write()
        except LeaseLost:
            return self.fenced(end.claim, duration_s=end.duration_s)
        except TransientError as failure:
            _log.warning("claim.left", error_code=failure.code)
            self._left.append(_Left(end, failure, contextvars.copy_context()))
            # Before the lease ends, the message might only be found busy.
            return Verdict(Action.RELEASE, self._lease_s + VISIBILITY_MARGIN_S)
        end.tell()
        return None

    def _written(self, left: _Left) -> bool:
        """False if the database answers and does not take it; raises DependencyDown."""
        end = left.end
        try:
            self._write_late(left)
        except DependencyDown:
            raise
        except TransientError:
            return False
        except LeaseLost:
            self.fenced(end.claim, duration_s=end.duration_s)
        except Exception:  # noqa: BLE001 - the runner's edge: one attempt never ends the loop
            _log.exception("job.crashed")
        else:
            end.tell()
        return True

    def _write_late(self, left: _Left) -> None:
        try:
            left.end.write()
        except LeaseLost:
            # Also of an attempt that has failed: it is tried again and must not have vanished.
            self._ledger.hand_back(left.end.claim, left.failure)

    def _not_ours(self, claim: Claim, event: str, duration_s: float) -> Verdict:
        """It was a cancellation, or there is a new owner."""
        try:
            status = self._ledger.status(claim.job.id)
        except TransientError as error:
            _log.warning(event, error_code=error.code, duration_s=duration_s)
            return KEEP
        if status is JobStatus.CANCELLED:
            _log.warning("job.cancelled", duration_s=duration_s)
            return DELETE
        _log.warning(event, status=status, duration_s=duration_s)
        return KEEP
