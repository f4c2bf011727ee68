"""Failed jobs that are opened again, on real PostgreSQL: what they compute, deliver and keep."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.fakes.ledger import LedgerBench, connector, delivery, new_job
from worker.errors import PermanentError, TransientError
from worker.ledger.models import Claim, Finished, JobStatus
from worker.ledger.operations import Operations
from worker.ledger.outbox import ClaimedDelivery
from worker.ledger.reaper import reap
from worker.ledger.retention import erase_personal_data

BROKEN = PermanentError("backend_rejected", "The backend does not take the result.")
AWAY = TransientError("backend_unavailable", "The backend does not answer.")
AGAIN = new_job(message_id="message-2")


def next_delivery(bench: LedgerBench) -> ClaimedDelivery:
    claimed = bench.outbox.claim_next()
    assert claimed is not None
    return claimed


def deliver_all(bench: LedgerBench) -> list[str]:
    """Make whatever is due, also what a worker that is gone had claimed; its slots, in order."""
    with psycopg.connect(bench.url) as connection:
        connection.execute("UPDATE jobs.delivery SET claimed_until = now() - interval '1 second'")
    slots: list[str] = []
    while claimed := bench.outbox.claim_next():
        slots.append(claimed.delivery.slot)
        bench.outbox.delivered(claimed, {"outcome": "delivered"})
    return slots


def erase(bench: LedgerBench) -> int:
    """How many jobs lose their personal data once the retention is over."""
    with psycopg.connect(bench.url) as connection:
        connection.execute("UPDATE jobs.job SET finished_at = finished_at - interval '91 days'")
    return erase_personal_data(connector(bench.url), retention_days=90)


def refused(bench: LedgerBench) -> None:
    """A job whose stored result the backend has refused for good."""
    bench.ledger.succeed(
        bench.claimed(), {"run": 1}, (delivery(), delivery("completed", required=False))
    )
    bench.outbox.rejected(next_delivery(bench), BROKEN)


def test_a_result_that_is_to_be_delivered_again_is_not_erased_at_the_last_moment(
    bench: LedgerBench, operations: Operations
) -> None:
    refused(bench)
    with ThreadPoolExecutor(1) as pool, psycopg.connect(bench.url, autocommit=True) as holder:
        holder.execute("UPDATE jobs.job SET finished_at = finished_at - interval '91 days'")
        # The erasure sees the clock when it has its snapshot, and before it locks a row.
        holder.execute("CREATE SCHEMA slow")
        holder.execute(
            "CREATE FUNCTION slow.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE"
            " AS 'SELECT pg_advisory_xact_lock_shared(1); SELECT pg_catalog.clock_timestamp()'"
        )
        holder.execute("SELECT pg_advisory_lock(1)")
        slowly = connector(make_conninfo(bench.url, options="-c search_path=slow,pg_catalog"))
        erasing = pool.submit(erase_personal_data, slowly, retention_days=90)
        waiting = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while holder.execute(waiting).fetchone() is None:
            assert not erasing.done()
        job = operations.jobs_of(["message-1"])["message-1"]
        operations.redrive(job, "message-1", lambda: "message-2", opening=True)
        holder.execute("SELECT pg_advisory_unlock(1)")

        assert erasing.result() == 0

    assert next_delivery(bench).delivery.payload == {"slot": "result"}


def test_an_erased_job_that_is_submitted_again_is_computed_and_delivered_again(
    bench: LedgerBench,
) -> None:
    refused(bench)
    assert erase(bench) == 1

    claim = bench.claimed(AGAIN)
    bench.ledger.succeed(claim, {"run": 2}, (delivery(),))

    assert deliver_all(bench) == ["result"]
    assert bench.value("SELECT payload->>'run' FROM jobs.result") == "2"
    assert bench.value("SELECT status::text FROM jobs.job") == "SUCCEEDED"


def test_a_result_that_is_refused_once_more_after_an_erasure_is_delivered_once(
    bench: LedgerBench,
) -> None:
    refused(bench)
    erase(bench)
    claim = bench.claimed(AGAIN)
    bench.ledger.succeed(claim, {"run": 2}, (delivery(),))
    bench.outbox.rejected(next_delivery(bench), BROKEN)

    answer = bench.claim(new_job(message_id="message-3"))

    assert answer == Finished(claim.job.id, JobStatus.SUCCEEDED, None)
    assert deliver_all(bench) == ["result"]


def test_the_redriven_letter_of_an_erased_job_is_computed_again(
    bench: LedgerBench, operations: Operations
) -> None:
    refused(bench)
    erase(bench)
    job = operations.jobs_of(["message-1"])["message-1"]

    _, opened = operations.redrive(job, "message-1", lambda: "message-2", opening=True)
    assert opened is True

    assert isinstance(bench.claim(AGAIN), Claim)


def test_an_erased_job_that_is_submitted_again_keeps_its_request_until_it_is_erased_anew(
    bench: LedgerBench, operations: Operations
) -> None:
    bench.ledger.fail(bench.claimed(), BROKEN, ())
    erase(bench)

    claim = bench.claimed(AGAIN)
    stored = operations.job("job-1").payload
    bench.ledger.succeed(claim, {"run": 2}, (delivery(),))
    assert deliver_all(bench) == ["result"]

    assert stored == AGAIN.payload, "a retry makes its message of it"
    assert erase(bench) == 1
    assert bench.value("SELECT payload IS NULL AND erased_at IS NOT NULL FROM jobs.job") is True
    assert bench.value("SELECT count(*) FROM jobs.delivery WHERE payload IS NOT NULL") == 0


def test_news_of_a_failure_that_was_on_its_way_at_the_reopening_is_not_sent_once_more(
    bench: LedgerBench,
) -> None:
    failed = delivery("failed-result", required=False)
    bench.ledger.fail(bench.claimed(), BROKEN, (failed,))
    under_way = next_delivery(bench)

    claim = bench.claimed(AGAIN)
    bench.outbox.postponed(under_way, AWAY, 0)
    bench.ledger.succeed(claim, {}, (delivery(),))

    assert deliver_all(bench) == ["result"]


def test_news_of_a_failure_whose_sender_died_is_not_sent_after_the_success(
    bench: LedgerBench,
) -> None:
    bench.ledger.fail(bench.claimed(), BROKEN, (delivery("failed-result", required=False),))
    next_delivery(bench)

    bench.ledger.succeed(bench.claimed(AGAIN), {}, (delivery(),))

    assert deliver_all(bench) == ["result"]


def test_news_of_a_failure_that_arrives_during_the_reopening_is_recorded(
    bench: LedgerBench,
) -> None:
    bench.ledger.fail(bench.claimed(), BROKEN, (delivery("failed-result", required=False),))
    under_way = next_delivery(bench)

    bench.claimed(AGAIN)
    bench.outbox.delivered(under_way, {"outcome": "delivered"})

    assert bench.value("SELECT status::text FROM jobs.delivery") == "DELIVERED"


@pytest.mark.parametrize("end", ["succeeded", "failed", "timed out"])
def test_a_started_notice_whose_sender_died_is_not_sent_after_the_end(
    bench: LedgerBench, end: str
) -> None:
    claim = bench.claimed(new_job(max_attempts=1))
    bench.ledger.announce(claim, (delivery("started", required=False),))
    next_delivery(bench)

    if end == "succeeded":
        bench.ledger.succeed(claim, {}, (delivery(),))
    elif end == "failed":
        bench.ledger.fail(claim, BROKEN, (delivery(),))
    else:
        bench.expire_leases()
        reap(
            connector(bench.url),
            types=(new_job().type,),
            pending_limit_s=86_400,
            notices=lambda job, error: (delivery(),),
        )

    assert deliver_all(bench) == ["result"]


def started_refused(bench: LedgerBench) -> Claim:
    """A running job whose notice that it has started Notify does not take."""
    claim = bench.claimed()
    bench.ledger.announce(claim, (delivery("started", required=False),))
    bench.outbox.rejected(next_delivery(bench), BROKEN)
    return claim


def test_a_stranded_letter_of_a_job_that_succeeded_makes_nothing_due_again(
    bench: LedgerBench, operations: Operations
) -> None:
    claim = started_refused(bench)
    bench.ledger.succeed(claim, {}, (delivery(), delivery("completed", required=False)))
    assert deliver_all(bench) == ["result", "completed"]

    job = operations.jobs_of(["message-1"])["message-1"]
    _, opened = operations.redrive(job, "message-1", lambda: "message-2", opening=True)
    assert opened is False

    assert bench.outbox.remaining(claim.job.id).pending == 0


def test_a_refused_result_is_delivered_again_without_the_notice_that_its_job_has_started(
    bench: LedgerBench,
) -> None:
    claim = started_refused(bench)
    bench.ledger.succeed(claim, {}, (delivery(), delivery("completed", required=False)))
    bench.outbox.rejected(next_delivery(bench), BROKEN)

    assert bench.claim(AGAIN) == Finished(claim.job.id, JobStatus.SUCCEEDED, None)

    assert deliver_all(bench) == ["result", "completed"]
