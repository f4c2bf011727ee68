"""The ledger on real PostgreSQL: who may run a job, and whose writes count."""

from __future__ import annotations

import threading

import psycopg
import pytest

from tests.fakes.ledger import LedgerBench, delivery, new_job
from worker.errors import PermanentError, TransientError
from worker.ledger.ledger import ATTEMPTS_EXHAUSTED, JOB_POISON, LeaseLost
from worker.ledger.models import Busy, Claim, Finished, JobStatus, Mismatch, Poisoned
from worker.ledger.queries import find_jobs, list_jobs
from worker.ledger.retention import erase_personal_data

BROKEN = PermanentError("geometry_invalid", "The boundary crosses itself.")
AWAY = TransientError("s3_unavailable", "S3 does not answer.")


def test_a_new_job_is_claimed_and_its_attempt_is_counted_before_it_runs(
    bench: LedgerBench,
) -> None:
    claim = bench.claimed()

    assert claim.attempt == 1
    assert bench.value("SELECT attempts FROM jobs.job") == 1
    assert bench.value("SELECT status::text FROM jobs.job") == "IN_PROGRESS"


def test_a_second_worker_finds_a_live_lease_busy(bench: LedgerBench) -> None:
    bench.claimed(lease_s=60)

    answer = bench.claim(worker_id="worker-b")

    assert isinstance(answer, Busy)
    assert 55 < answer.remaining_s <= 60


def test_of_twenty_simultaneous_claims_exactly_one_wins(bench: LedgerBench) -> None:
    barrier = threading.Barrier(20)
    answers: list[object] = []

    def claim(number: int) -> None:
        barrier.wait()
        answers.append(bench.claim(worker_id=f"worker-{number}"))

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(isinstance(answer, Claim) for answer in answers) == 1
    assert sum(isinstance(answer, Busy) for answer in answers) == 19
    assert bench.value("SELECT count(*) FROM jobs.assignment") == 1


def test_an_expired_lease_goes_to_the_next_worker_and_fences_the_first(
    bench: LedgerBench,
) -> None:
    zombie = bench.claimed(worker_id="worker-a")
    bench.expire_leases()
    owner = bench.claimed(worker_id="worker-b")

    assert bench.ledger.renew(zombie, lease_s=60) is False
    with pytest.raises(LeaseLost):
        bench.ledger.succeed(zombie, {"by": "zombie"}, ())
    with pytest.raises(LeaseLost):
        bench.ledger.fail(zombie, BROKEN, ())
    with pytest.raises(LeaseLost):
        bench.ledger.retry_later(zombie, AWAY)
    with pytest.raises(LeaseLost):
        bench.ledger.hand_back(zombie, AWAY)
    bench.ledger.succeed(owner, {"by": "owner"}, ())
    assert bench.value("SELECT payload->>'by' FROM jobs.result") == "owner"


def test_an_expired_lease_that_nobody_took_can_still_be_renewed(
    bench: LedgerBench,
) -> None:
    claim = bench.claimed()
    bench.expire_leases()

    assert bench.ledger.renew(claim, lease_s=60) is True
    assert isinstance(bench.claim(worker_id="worker-b"), Busy)


def test_result_and_deliveries_are_stored_together_or_not_at_all(
    bench: LedgerBench,
) -> None:
    claim = bench.claimed()
    unstorable = delivery("bad\x00slot")

    with pytest.raises(psycopg.DataError):
        bench.ledger.succeed(claim, {"total": 1}, (delivery("result"), unstorable))

    assert bench.value("SELECT count(*) FROM jobs.result") == 0
    assert bench.value("SELECT count(*) FROM jobs.delivery") == 0
    assert bench.value("SELECT status::text FROM jobs.job") == "IN_PROGRESS"


def test_failure_and_notices_are_stored_together_or_not_at_all(bench: LedgerBench) -> None:
    claim = bench.claimed()
    unstorable = delivery("bad\x00slot")

    with pytest.raises(psycopg.DataError):
        bench.ledger.fail(claim, BROKEN, (delivery("failed-result"), unstorable))

    assert bench.value("SELECT count(*) FROM jobs.delivery") == 0
    assert bench.value("SELECT status::text FROM jobs.job") == "IN_PROGRESS"
    assert bench.value("SELECT count(*) FROM jobs.assignment WHERE completed_at IS NULL") == 1


def test_an_unreadable_message_and_its_notices_are_stored_together_or_not_at_all(
    bench: LedgerBench,
) -> None:
    unstorable = delivery("bad\x00slot")

    with pytest.raises(psycopg.DataError):
        bench.ledger.record_invalid(
            new_job("message:1"), BROKEN, (delivery("failed-support"), unstorable)
        )

    assert bench.value("SELECT count(*) FROM jobs.delivery") == 0
    assert bench.value("SELECT count(*) FROM jobs.job") == 0


def test_a_finished_job_is_not_claimed_again(bench: LedgerBench) -> None:
    bench.ledger.succeed(bench.claimed(), {"total": 1}, ())

    answer = bench.claim(new_job(message_id="message-2"))

    assert answer == Finished(1, JobStatus.SUCCEEDED, None)


def test_the_same_key_with_another_payload_never_alters_the_original(
    bench: LedgerBench,
) -> None:
    bench.ledger.succeed(bench.claimed(), {"total": 1}, ())

    answer = bench.claim(new_job(payload_hash="other", message_id="message-2"))

    assert isinstance(answer, Mismatch)
    assert bench.value("SELECT payload_hash FROM jobs.job") == "hash"
    assert bench.value("SELECT status::text FROM jobs.job") == "SUCCEEDED"


def test_a_failed_job_stays_failed_for_further_receives_of_its_message(
    bench: LedgerBench,
) -> None:
    bench.ledger.fail(bench.claimed(), BROKEN, (delivery("failed-support"),))

    answer = bench.claim()

    assert answer == Finished(1, JobStatus.FAILED, "geometry_invalid")


def test_a_failed_job_is_reopened_by_a_message_that_it_has_not_seen(
    bench: LedgerBench,
) -> None:
    bench.ledger.fail(bench.claimed(), BROKEN, (delivery("failed-support"),))

    claim = bench.claimed(new_job(message_id="message-2"))

    assert claim.attempt == 1
    assert claim.job.reopenings == 1
    # The first message's remaining receives do not reopen it once more.
    bench.ledger.fail(claim, BROKEN, (delivery("failed-support"),))
    assert isinstance(bench.claim(), Finished)
    # Each run that failed told its requester once.
    assert bench.value("SELECT count(*) FROM jobs.delivery") == 2


def test_a_reopened_job_with_a_stored_result_delivers_it_instead_of_computing_it(
    bench: LedgerBench,
) -> None:
    claim = bench.claimed()
    bench.ledger.succeed(claim, {"total": 1}, (delivery("result"),))
    claimed = bench.outbox.claim_next()
    assert claimed is not None
    bench.outbox.rejected(claimed, BROKEN, (delivery("failed-rejected", required=False),))
    assert isinstance(bench.claim(), Finished)

    answer = bench.claim(new_job(message_id="message-2"))

    assert answer == Finished(claim.job.id, JobStatus.SUCCEEDED, None)
    again = bench.outbox.claim_next(job_id=claim.job.id)
    assert again is not None
    assert again.delivery.slot == "result"
    assert again.delivery.reference == claimed.delivery.reference


def test_an_attempt_that_was_handed_back_does_not_count(bench: LedgerBench) -> None:
    for _ in range(5):
        bench.ledger.hand_back(bench.claimed(), AWAY)

    assert bench.claimed().attempt == 1


def test_an_attempt_that_is_handed_back_too_late_has_not_vanished(bench: LedgerBench) -> None:
    for _ in range(2):
        late = bench.claimed()
        bench.expire_leases()
        again = bench.claimed()
        with pytest.raises(LeaseLost):
            bench.ledger.hand_back(late, AWAY)
        bench.ledger.hand_back(again, AWAY)

    assert bench.value("SELECT attempts FROM jobs.job") == 0
    assert bench.value("SELECT status::text FROM jobs.job") == "PENDING"
    assert bench.value("SELECT count(*) FROM jobs.assignment WHERE outcome = 'handed_back'") == 4
    assert bench.claimed().attempt == 1


def test_an_attempt_of_a_job_that_was_opened_again_is_not_taken_from_its_new_attempts(
    bench: LedgerBench,
) -> None:
    late = bench.claimed()
    bench.expire_leases()
    bench.ledger.fail(bench.claimed(), BROKEN, ())
    bench.claimed(new_job(message_id="message-2"))

    with pytest.raises(LeaseLost):
        bench.ledger.hand_back(late, AWAY)

    assert bench.value("SELECT attempts FROM jobs.job") == 1


def test_a_job_whose_attempts_vanish_twice_is_poison_at_the_third(
    bench: LedgerBench,
) -> None:
    for _ in range(2):
        bench.claimed()
        bench.expire_leases()

    answer = bench.claim()

    assert isinstance(answer, Poisoned)
    assert answer.code == JOB_POISON


def test_a_job_is_refused_after_as_many_transient_failures_as_it_may_have(
    bench: LedgerBench,
) -> None:
    for _ in range(3):
        bench.ledger.retry_later(bench.claimed(), AWAY)

    answer = bench.claim()

    assert isinstance(answer, Poisoned)
    assert answer.code == ATTEMPTS_EXHAUSTED


def test_an_invalid_message_is_recorded_once_however_often_it_is_received(
    bench: LedgerBench,
) -> None:
    job = new_job("message:1", type="unreadable", payload=None)
    for _ in range(3):
        bench.ledger.record_invalid(job, BROKEN, (delivery("failed-support"),))

    assert bench.value("SELECT count(*) FROM jobs.job WHERE status = 'FAILED'") == 1
    assert bench.value("SELECT count(*) FROM jobs.delivery") == 1


def test_deliveries_go_out_in_order_and_a_required_one_holds_back_the_rest(
    bench: LedgerBench,
) -> None:
    bench.ledger.succeed(
        bench.claimed(), {}, (delivery("result"), delivery("completed", required=False))
    )
    first = bench.outbox.claim_next()
    assert first is not None
    assert first.delivery.slot == "result"
    assert bench.outbox.claim_next() is None, "the e-mail waits for the result"

    bench.outbox.delivered(first, {"outcome": "delivered"})

    second = bench.outbox.claim_next()
    assert second is not None
    assert second.delivery.slot == "completed"


def test_two_workers_never_hold_the_same_delivery(bench: LedgerBench) -> None:
    bench.ledger.succeed(bench.claimed(), {}, (delivery("result"),))
    barrier = threading.Barrier(8)
    claimed: list[object] = []

    def claim() -> None:
        barrier.wait()
        claimed.append(bench.outbox.claim_next())

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(one is not None for one in claimed) == 1


def test_a_postponed_delivery_is_not_due_for_a_sweep_but_is_for_its_own_message(
    bench: LedgerBench,
) -> None:
    claim = bench.claimed()
    bench.ledger.succeed(claim, {}, (delivery("result"),))
    claimed = bench.outbox.claim_next()
    assert claimed is not None
    bench.outbox.postponed(claimed, AWAY, 60)

    assert bench.outbox.claim_next() is None
    again = bench.outbox.claim_next(job_id=claim.job.id)
    assert again is not None
    assert again.delivery.attempts == 2


def test_a_delivery_settled_by_its_next_claimant_ignores_the_first(
    bench: LedgerBench,
) -> None:
    bench.ledger.succeed(bench.claimed(), {}, (delivery("result"),))
    first = bench.outbox.claim_next()
    assert first is not None
    with psycopg.connect(bench.url) as connection:
        connection.execute("UPDATE jobs.delivery SET claimed_until = now() - interval '1 second'")
    second = bench.outbox.claim_next()
    assert second is not None
    bench.outbox.delivered(second, {"outcome": "delivered"})

    bench.outbox.rejected(first, BROKEN)

    assert bench.value("SELECT status::text FROM jobs.delivery") == "DELIVERED"


def test_a_refusal_that_comes_after_somebody_elses_success_changes_nothing(
    bench: LedgerBench,
) -> None:
    bench.ledger.succeed(bench.claimed(), {}, (delivery("result"), delivery("completed")))
    zombie = bench.outbox.claim_next()
    assert zombie is not None
    with psycopg.connect(bench.url) as connection:
        connection.execute("UPDATE jobs.delivery SET claimed_until = now() - interval '1 second'")
    owner = bench.outbox.claim_next()
    assert owner is not None
    bench.outbox.delivered(owner, {"outcome": "delivered"})

    bench.outbox.rejected(zombie, BROKEN, (delivery("failed-rejected", required=False),))

    assert bench.value("SELECT status::text FROM jobs.job") == "SUCCEEDED"
    assert bench.value("SELECT count(*) FROM jobs.delivery WHERE slot = 'failed-rejected'") == 0


def test_news_of_a_failure_that_nobody_has_sent_is_dropped_when_the_job_is_reopened(
    bench: LedgerBench,
) -> None:
    bench.ledger.fail(bench.claimed(), BROKEN, (delivery("failed-result", required=False),))
    claim = bench.claimed(new_job(message_id="message-2"))
    bench.ledger.succeed(claim, {"total": 1}, (delivery("result"),))

    first = bench.outbox.claim_next(job_id=claim.job.id)

    assert first is not None
    assert first.delivery.slot == "result"
    bench.outbox.delivered(first, {"outcome": "delivered"})
    assert bench.outbox.claim_next(job_id=claim.job.id) is None


def test_a_started_notice_nobody_sent_is_dropped_when_the_job_ends(
    bench: LedgerBench,
) -> None:
    claim = bench.claimed()
    bench.ledger.announce(claim, (delivery("started", required=False),))
    bench.ledger.announce(claim, (delivery("started", required=False),))

    bench.ledger.succeed(claim, {}, (delivery("result"),))

    assert bench.value("SELECT count(*) FROM jobs.delivery WHERE slot = 'started'") == 1
    claimed = bench.outbox.claim_next()
    assert claimed is not None
    assert claimed.delivery.slot == "result"


def test_jobs_are_found_by_key_correlation_id_and_message_id(
    bench: LedgerBench,
) -> None:
    bench.ledger.succeed(bench.claimed(), {"total": 1}, (delivery("result"),))
    with psycopg.connect(bench.url) as connection:
        for wanted in ("job-1", "trace-1", "message-1"):
            (story,) = find_jobs(connection, wanted)
            assert story.job.key == "job-1"
            assert story.result == {"total": 1}
            assert [attempt.outcome for attempt in story.attempts] == ["succeeded"]
            assert [one.slot for one in story.deliveries] == ["result"]
        assert find_jobs(connection, "nothing") == ()
        assert [job.key for job in list_jobs(connection, status=JobStatus.SUCCEEDED)] == ["job-1"]
        assert list_jobs(connection, status=JobStatus.FAILED) == ()


def test_personal_data_is_erased_after_the_retention_and_results_stay(
    bench: LedgerBench,
) -> None:
    bench.ledger.succeed(bench.claimed(), {"total": 1}, (delivery("result"),))
    claimed = bench.outbox.claim_next()
    assert claimed is not None
    bench.claimed(new_job("job-2", message_id="message-2"))

    def age_and_erase() -> int:
        with psycopg.connect(bench.url) as connection:
            connection.execute("UPDATE jobs.job SET finished_at = finished_at - interval '91 days'")
        return erase_personal_data(lambda: psycopg.connect(bench.url), retention_days=90)

    assert age_and_erase() == 0, "a pending delivery still needs its recipient"
    bench.outbox.delivered(claimed, {"outcome": "delivered"})
    assert age_and_erase() == 1

    assert bench.value("SELECT payload IS NULL FROM jobs.job WHERE key = 'job-1'") is True
    assert bench.value("SELECT payload IS NULL FROM jobs.delivery") is True
    assert bench.value("SELECT payload->>'total' FROM jobs.result") == "1"
    assert bench.value("SELECT payload IS NULL FROM jobs.job WHERE key = 'job-2'") is False
