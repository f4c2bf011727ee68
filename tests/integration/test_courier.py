"""What a courier makes of the other sides' answers, on real PostgreSQL and over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.clients import JANE, TEMPLATE, backend_client, notify_client
from tests.fakes.ledger import LedgerBench, delivery, new_job
from worker.demo.backend import FakeBackend
from worker.demo.fake_service import FakeService, Misbehaviour, failing
from worker.demo.notify import DAILY_LIMIT_REACHED, RATE_LIMITED, FakeNotify, error
from worker.errors import DELIVERY_REFUSALS, PermanentError
from worker.jobs.courier import Courier, Round
from worker.jobs.deliveries import Deliverer, EmailDelivery, JobResultDelivery
from worker.ledger.models import NewDelivery

REFUSED = PermanentError("backend_rejected", "The backend does not take the result.")
NOTICE = NewDelivery(
    "failed-rejected",
    EmailDelivery.kind,
    EmailDelivery(template_id=TEMPLATE, to=JANE, personalisation={}).as_json(),
)

REFUSALS = {
    "backend_refused_us": failing(401),
    "backend_redirected": failing(302, location="/elsewhere"),
    "notify_refused_us": failing(403, error(403, "AuthError", "no").body),
    "notify_unexpected_answer": failing(404, "<html>"),
}


@pytest.fixture
def backend() -> Iterator[FakeBackend]:
    with FakeBackend() as service:
        yield service


@pytest.fixture
def notify() -> Iterator[FakeNotify]:
    with FakeNotify() as service:
        yield service


@pytest.fixture
def courier(bench: LedgerBench, backend: FakeBackend, notify: FakeNotify) -> Iterator[Courier]:
    with backend_client(backend.url) as client:
        yield Courier(
            bench.outbox,
            Deliverer(client, notify_client(notify.url)),
            backoff_base_s=600,
            notices=lambda *_: (),
            on_progress=lambda _: None,
        )


def result_due(bench: LedgerBench, key: str = "job-1") -> None:
    result = JobResultDelivery(job_id=key, body={"status": "SUCCEEDED"})
    bench.ledger.succeed(
        bench.claimed(new_job(key, message_id=key)),
        {},
        (NewDelivery("result", result.kind, result.as_json(), required=True),),
    )


def emails_due(bench: LedgerBench, how_many: int) -> None:
    for number in range(how_many):
        job = bench.claimed(new_job(f"failed-{number}", message_id=f"failed-{number}"))
        bench.ledger.fail(job, REFUSED, (NOTICE,))


def sweep(courier: Courier, refused_as: str | None = None) -> Round:
    return courier.sweep(lambda: None, refused_as=refused_as)


def refused_with(
    code: str, bench: LedgerBench, courier: Courier, backend: FakeBackend, notify: FakeNotify
) -> FakeService:
    """A delivery that was refused with this code; the service that refused it."""
    side: FakeService = notify if code.startswith("notify_") else backend
    if side is notify:
        emails_due(bench, 1)
    else:
        result_due(bench)
    side.misbehave(REFUSALS[code])
    refused = sweep(courier)
    assert refused.fault is not None
    assert refused.fault.code == code
    return side


def test_every_refusal_is_tried_here() -> None:
    assert set(REFUSALS) == set(DELIVERY_REFUSALS)


@pytest.mark.parametrize("code", REFUSALS)
@pytest.mark.parametrize("outage", [failing(503), Misbehaviour(drop=True)])
def test_a_refused_delivery_stays_refused_until_it_gets_an_answer(
    bench: LedgerBench,
    courier: Courier,
    backend: FakeBackend,
    notify: FakeNotify,
    code: str,
    outage: Misbehaviour,
) -> None:
    side = refused_with(code, bench, courier, backend, notify)
    side.misbehave_always(outage)

    assert sweep(courier, code).wait_s > 0
    assert bench.outbox.is_refused(code)

    side.misbehave_always(None)
    assert sweep(courier).made == 0, "it has to wait"
    assert sweep(courier, code).made == 1, "but not to ask with"
    assert not bench.outbox.is_refused(code)


@pytest.mark.parametrize("limit", [DAILY_LIMIT_REACHED, RATE_LIMITED])
def test_a_limit_is_an_answer_of_a_side_that_refused_us(
    bench: LedgerBench,
    courier: Courier,
    backend: FakeBackend,
    notify: FakeNotify,
    limit: Misbehaviour,
) -> None:
    refused_with("notify_refused_us", bench, courier, backend, notify)
    notify.misbehave(limit)

    assert sweep(courier, "notify_refused_us").fault is None
    assert not bench.outbox.is_refused("notify_refused_us")


@pytest.mark.parametrize("trouble", [DAILY_LIMIT_REACHED, REFUSALS["notify_refused_us"]])
def test_a_sweep_leaves_alone_a_side_that_has_to_wait_and_nothing_else(
    bench: LedgerBench,
    courier: Courier,
    backend: FakeBackend,
    notify: FakeNotify,
    trouble: Misbehaviour,
) -> None:
    emails_due(bench, 3)
    result_due(bench)
    notify.misbehave_always(trouble)

    assert sweep(courier).made == 1

    assert backend.results.keys() == {"job-1"}
    assert len(notify.received) == 1


def test_half_a_surrogate_pair_in_an_answer_can_be_recorded(
    bench: LedgerBench, courier: Courier, notify: FakeNotify
) -> None:
    emails_due(bench, 1)
    said = '{"errors": [{"error": "BadRequestError", "message": "not \\ud800 here"}]}'
    notify.misbehave(failing(400, said, content_type="application/json"))

    sweep(courier)

    recorded = "SELECT status::text || ' ' || error_detail FROM jobs.delivery"
    assert bench.value(recorded) == "REJECTED notify_rejected: 400: BadRequestError: not  here"


def test_what_was_refused_is_asked_with_before_all_that_is_due(
    bench: LedgerBench, courier: Courier, backend: FakeBackend, notify: FakeNotify
) -> None:
    refused_with("backend_refused_us", bench, courier, backend, notify)
    for number in range(2, 24):
        result_due(bench, f"job-{number}")
    bench.value(
        "WITH due AS (UPDATE jobs.delivery SET next_attempt_at = now() - interval '1 hour'"
        " WHERE error_code IS NULL) SELECT 1"
    )

    assert sweep(courier, "backend_refused_us").made == 20

    assert "job-1" in backend.results
    assert not bench.outbox.is_refused("backend_refused_us")


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
