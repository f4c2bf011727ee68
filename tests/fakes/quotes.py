"""Versions of a quote as a test's ledger knows them, each a job with a result of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.fakes.ledger import LedgerBench, new_job
from worker.clients.backend import Amount, Band, Edp, Impact, QuotePatchBody
from worker.jobs.deliveries import QuotePatchDelivery
from worker.ledger.models import Claim, Finished, NewDelivery, NewJob

NRF = "NRF-000001"
_NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def at(second: int) -> datetime:
    """So many seconds after the first request could be published."""
    return _NOON + timedelta(seconds=second)


def version(
    units: int, second: int | None = None, *, reference: str = NRF, message_id: str | None = None
) -> NewJob:
    """A message that asks for so many units, published at that second."""
    return new_job(
        f"{reference}-{units:064x}",
        asked_at=None if second is None else at(second),
        message_id=message_id or f"{reference} {units} at {second}",
    )


def patch_of(units: int, reference: str = NRF) -> QuotePatchDelivery:
    amount = Amount(amount=float(units), band=Band(min=4, max=4))
    impact = Impact(nitrogen_total=amount, phosphorus_total=amount)
    body = QuotePatchBody(edps=(Edp(edp_id=1, edp_name="The Broads", impact=impact),))
    return QuotePatchDelivery(reference=reference, body=body)


def result_of(units: int, reference: str = NRF) -> NewDelivery:
    """What is delivered of that version."""
    patch = patch_of(units, reference)
    return NewDelivery("result", patch.kind, patch.as_json(), required=True)


def asked(bench: LedgerBench, new: NewJob) -> int:
    """The job that this message brings, computed if there is something to compute; its id."""
    answer = bench.claim(new)
    if isinstance(answer, Finished):
        return answer.job_id
    assert isinstance(answer, Claim), answer
    reference, _, units = new.key.rpartition("-")
    bench.ledger.succeed(answer, {}, (result_of(int(units, 16), reference),))
    return answer.job.id
