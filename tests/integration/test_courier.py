"""Deliveries of one job that two workers make at the same time, on real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.clients import JANE, TEMPLATE, backend_client, notify_client
from tests.fakes.ledger import LedgerBench, delivery
from worker.demo.backend import FakeBackend
from worker.demo.notify import FakeNotify
from worker.errors import PermanentError
from worker.jobs.courier import Courier
from worker.jobs.deliveries import Deliverer, EmailDelivery
from worker.ledger.models import NewDelivery

REFUSED = PermanentError("backend_rejected", "The backend does not take the result.")
NOTICE = NewDelivery(
    "failed-rejected",
    EmailDelivery.kind,
    EmailDelivery(template_id=TEMPLATE, to=JANE, personalisation={}).as_json(),
)


@pytest.fixture
def notify() -> Iterator[FakeNotify]:
    with FakeNotify() as service:
        yield service


@pytest.fixture
def courier(bench: LedgerBench, notify: FakeNotify) -> Iterator[Courier]:
    with FakeBackend() as backend, backend_client(backend.url) as client:
        yield Courier(
            bench.outbox,
            Deliverer(client, notify_client(notify.url)),
            backoff_base_s=1,
            notices=lambda *_: (),
            on_progress=lambda _: None,
        )


def test_a_result_that_another_worker_finds_refused_meanwhile_has_failed_its_job_here_too(
    bench: LedgerBench, courier: Courier, notify: FakeNotify
) -> None:
    claim = bench.claimed()
    bench.ledger.succeed(claim, {}, (delivery(),))
    elsewhere = bench.outbox.claim_next()
    assert elsewhere is not None

    def refused_elsewhere() -> None:
        bench.outbox.rejected(elsewhere, REFUSED, (NOTICE,))

    done = courier.deliver_job(claim.job.id, refused_elsewhere)

    assert len(notify.sent) == 1
    assert done.pending == 0
    assert done.rejected is not None, "the message is kept for the dead-letter queue"
    assert done.rejected.code == REFUSED.code
