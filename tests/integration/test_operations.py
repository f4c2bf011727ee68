"""What operators and the reaper do to jobs, on real PostgreSQL and against whoever runs them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from tests.fakes.clients import database_settings
from tests.fakes.ledger import LedgerBench, delivery, new_job, outcomes, reaped, status
from worker.clients.db import Database
from worker.errors import CommandRefused, DependencyDown, PermanentError, TransientError
from worker.ledger.ledger import ATTEMPTS_EXHAUSTED, JOB_POISON, LeaseLost
from worker.ledger.models import (
    UNREADABLE,
    Busy,
    Claim,
    Finished,
    JobStatus,
    Poisoned,
)
from worker.ledger.operations import Operations
from worker.ledger.queries import find_interventions, find_jobs
from worker.ledger.reaper import REAPER_LOCK
from worker.ledger.registration import remember_message
from worker.reference.lock import only_change

BROKEN = PermanentError("geometry_invalid", "The boundary crosses itself.")
AWAY = TransientError("s3_unavailable", "S3 does not answer.")


@contextmanager
def row_locked(bench: LedgerBench, table: str) -> Iterator[psycopg.Connection]:
    """The only row of the table is locked until the block ends."""
    with psycopg.connect(bench.url) as connection:
        connection.execute(f"SELECT FROM jobs.{table} FOR UPDATE".encode())
        yield connection


def wait_for_lock(bench: LedgerBench, waiting: int) -> None:
    """Until so many sessions of this database wait for a lock."""
    ends_at = time.monotonic() + 10
    while time.monotonic() < ends_at:
        count = bench.value(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        if count == waiting:
            return
        time.sleep(0.02)
    pytest.fail(f"{waiting} sessions never waited")


def test_an_open_job_that_waits_is_cancelled_at_once(
    bench: LedgerBench, operations: Operations
) -> None:
    bench.ledger.hand_back(bench.claimed(), AWAY)

    operations.cancel(operations.job("job-1"), "sent twice")

    assert status(bench) == "CANCELLED"
    assert bench.claim(new_job(message_id="message-2")) == Finished(1, JobStatus.CANCELLED, None)
    with psycopg.connect(bench.url) as connection:
        (story,) = find_jobs(connection, "job-1")
    (made,) = story.interventions
    assert (made.action, made.note, made.made_by) == ("cancel", "sent twice", "ann")


def test_a_running_job_that_is_cancelled_learns_of_it_and_writes_nothing(
    bench: LedgerBench, operations: Operations
) -> None:
    claim = bench.claimed()

    operations.cancel(operations.job("job-1"), None)

    assert bench.ledger.renew(claim, lease_s=60) is False
    with pytest.raises(LeaseLost):
        bench.ledger.succeed(claim, {"total": 1}, (delivery("result"),))
    assert status(bench) == "CANCELLED"
    assert outcomes(bench) == ["cancelled"]
    assert bench.value("SELECT count(*) FROM jobs.result") == 0


def test_what_a_cancelled_job_still_had_to_deliver_is_not_sent(
    bench: LedgerBench, operations: Operations
) -> None:
    claim = bench.claimed()
    bench.ledger.announce(claim, (delivery("started", required=False),))

    operations.cancel(operations.job("job-1"), None)
    bench.ledger.announce(claim, (delivery("too-late", required=False),))

    assert bench.outbox.claim_next(job_id=1) is None
    assert bench.outbox.remaining(1).pending == 0


def test_a_delivery_under_way_while_its_job_is_cancelled_is_recorded_if_it_arrives(
    bench: LedgerBench, operations: Operations
) -> None:
    bench.ledger.announce(
        bench.claimed(), (delivery("started", required=False), delivery("more", required=False))
    )
    arrives, waits = bench.outbox.claim_next(), bench.outbox.claim_next()
    assert arrives is not None
    assert waits is not None

    operations.cancel(operations.job("job-1"), None)
    bench.outbox.delivered(arrives, {"outcome": "delivered"})
    bench.outbox.postponed(waits, AWAY, 0)

    states = "SELECT array_agg(status::text ORDER BY position) FROM jobs.delivery"
    assert bench.value(states) == ["DELIVERED", "REJECTED"]


@pytest.mark.parametrize("end", ["succeeded", "failed", "cancelled"])
def test_a_job_that_has_ended_is_not_cancelled(
    bench: LedgerBench, operations: Operations, end: str
) -> None:
    claim = bench.claimed()
    if end == "succeeded":
        bench.ledger.succeed(claim, {}, ())
    elif end == "failed":
        bench.ledger.fail(claim, BROKEN, ())
    else:
        operations.cancel(operations.job("job-1"), None)
    before = status(bench)

    with pytest.raises(CommandRefused) as raised:
        operations.cancel(operations.job("job-1"), None)

    assert raised.value.code == "job_finished"
    assert status(bench) == before


def test_a_cancellation_and_a_result_do_not_wait_for_each_other(
    bench: LedgerBench, operations: Operations
) -> None:
    claim = bench.claimed()
    job = operations.job("job-1")
    with ThreadPoolExecutor(2) as pool:
        with row_locked(bench, "job"):
            cancelled = pool.submit(operations.cancel, job, None)
            wait_for_lock(bench, 1)
            stored = pool.submit(bench.ledger.succeed, claim, {"total": 1}, ())
            wait_for_lock(bench, 2)
        cancelled.result()
        with pytest.raises(LeaseLost):
            stored.result()

    assert status(bench) == "CANCELLED"


def _both(first: Callable[[], object], second: Callable[[], object]) -> tuple[object, object]:
    """What two calls give that start at the same moment; an expected error is a value."""
    barrier = threading.Barrier(2)

    def run(call: Callable[[], object]) -> object:
        barrier.wait()
        try:
            return call()
        except (LeaseLost, CommandRefused) as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.submit(run, first), pool.submit(run, second)
        return one.result(), other.result()


def test_of_a_cancellation_and_a_result_at_once_exactly_one_counts(
    bench: LedgerBench, operations: Operations
) -> None:
    for number in range(25):
        key = f"job-{number}"
        claim = bench.claimed(new_job(key, message_id=key))
        job = operations.job(key)

        stored, cancelled = _both(
            lambda claim=claim: bench.ledger.succeed(claim, {}, (delivery(),)),  # type: ignore[misc]
            lambda job=job: operations.cancel(job, None),  # type: ignore[misc]
        )

        won = isinstance(cancelled, CommandRefused)
        assert isinstance(stored, LeaseLost) is not won
        assert status(bench, key) == ("SUCCEEDED" if won else "CANCELLED")
        results = "SELECT count(*) FROM jobs.result WHERE job_id = %s"
        assert bench.value(results, claim.job.id) == int(won)
        assert bench.outbox.remaining(claim.job.id).pending == int(won)


def test_of_the_reaper_and_a_result_at_once_exactly_one_counts(bench: LedgerBench) -> None:
    for number in range(25):
        key = f"job-{number}"
        claim = bench.claimed(new_job(key, message_id=key, max_attempts=1))
        bench.expire_leases()

        stored, ended = _both(
            lambda claim=claim: bench.ledger.succeed(claim, {}, ()),  # type: ignore[misc]
            lambda: reaped(bench),
        )

        fenced = isinstance(stored, LeaseLost)
        assert bool(ended) is fenced
        assert status(bench, key) == ("TIMED_OUT" if fenced else "SUCCEEDED")
        assert bench.outbox.remaining(claim.job.id).pending == int(fenced)


def test_a_lease_that_has_passed_is_closed_and_the_job_waits_for_the_next_attempt(
    bench: LedgerBench,
) -> None:
    bench.claimed()
    bench.expire_leases()

    (one,) = reaped(bench)

    assert (one.key, one.status, one.error_code) == ("job-1", JobStatus.PENDING, None)
    assert outcomes(bench) == ["expired"]
    assert isinstance(bench.claim(), Claim)


def test_a_live_lease_is_left_alone(bench: LedgerBench) -> None:
    bench.claimed()

    assert reaped(bench) == ()
    assert isinstance(bench.claim(worker_id="worker-b"), Busy)


def test_a_renewal_at_the_same_moment_keeps_the_lease(bench: LedgerBench) -> None:
    bench.claimed()
    bench.expire_leases()
    with ThreadPoolExecutor(1) as pool:
        with row_locked(bench, "assignment") as renewing:
            ended = pool.submit(reaped, bench)
            wait_for_lock(bench, 1)
            renewing.execute(
                "UPDATE jobs.assignment SET expires_at = clock_timestamp() + interval '60 s'"
            )
        assert ended.result() == ()

    assert status(bench) == "IN_PROGRESS"


def test_attempts_that_the_reaper_closed_count_as_poison(bench: LedgerBench) -> None:
    for _ in range(2):
        bench.claimed()
        bench.expire_leases()
        reaped(bench)

    answer = bench.claim()

    assert isinstance(answer, Poisoned)
    assert answer.code == JOB_POISON


def test_a_job_whose_last_attempt_vanished_has_timed_out_and_its_requester_is_told_once(
    bench: LedgerBench,
) -> None:
    for _ in range(2):
        bench.ledger.retry_later(bench.claimed(), AWAY)
    bench.ledger.announce(bench.claimed(), (delivery("started", required=False),))
    bench.expire_leases()

    (one,) = reaped(bench)
    assert reaped(bench) == ()

    assert (one.status, one.error_code) == (JobStatus.TIMED_OUT, ATTEMPTS_EXHAUSTED)
    assert bench.claim() == Finished(1, JobStatus.TIMED_OUT, ATTEMPTS_EXHAUSTED)
    claimed = bench.outbox.claim_next(job_id=1)
    assert claimed is not None
    assert (claimed.delivery.slot, claimed.delivery.payload) == (
        "failed-support",
        {"job": "job-1", "code": ATTEMPTS_EXHAUSTED},
    )
    assert bench.outbox.claim_next(job_id=1) is None, "no notice that it has started"


def test_a_job_that_nobody_starts_for_a_day_has_timed_out(bench: LedgerBench) -> None:
    for key, hours in (("old", 25), ("young", 23)):
        bench.ledger.hand_back(bench.claimed(new_job(key, message_id=key)), AWAY)
        with psycopg.connect(bench.url) as connection:
            connection.execute(
                "UPDATE jobs.job SET created_at = now() - interval '9 days',"
                " updated_at = now() - make_interval(hours => %s) WHERE key = %s",
                (hours, key),
            )

    (one,) = reaped(bench)

    assert (one.key, one.status, one.error_code) == ("old", JobStatus.TIMED_OUT, "job_not_started")
    assert status(bench, "young") == "PENDING"


def test_jobs_of_other_types_are_left_to_workers_that_can_tell_about_them(
    bench: LedgerBench,
) -> None:
    waits = new_job("waits", message_id="waits", type="reference.load")
    bench.ledger.hand_back(bench.claimed(waits), AWAY)
    bench.claimed(new_job("vanished", message_id="vanished", type="reference.load", max_attempts=1))
    bench.expire_leases()
    with psycopg.connect(bench.url) as connection:
        connection.execute("UPDATE jobs.job SET updated_at = now() - interval '2 days'")

    assert reaped(bench) == ()

    assert (status(bench, "waits"), status(bench, "vanished")) == ("PENDING", "IN_PROGRESS")


def test_only_one_worker_reaps_at_a_time(bench: LedgerBench) -> None:
    bench.claimed()
    bench.expire_leases()
    with psycopg.connect(bench.url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", (REAPER_LOCK,))
        assert reaped(bench) == ()

    assert len(reaped(bench)) == 1


def test_a_change_of_the_reference_data_keeps_nobody_from_reaping(bench: LedgerBench) -> None:
    bench.claimed()
    bench.expire_leases()
    with psycopg.connect(bench.url) as loading, only_change(loading):
        assert len(reaped(bench)) == 1


def test_a_failed_job_is_opened_again_once(bench: LedgerBench, operations: Operations) -> None:
    bench.ledger.fail(bench.claimed(), BROKEN, ())
    known = operations.jobs_of(["message-1"])["message-1"]

    def redrive(new_id: str) -> bool:
        _, opened = operations.redrive(known, "message-1", lambda: new_id, opening=True)
        return opened

    assert redrive("message-2") is True
    assert redrive("message-3") is False

    claim = bench.claimed(new_job(message_id="message-2"))
    assert claim.job.reopenings == 1
    bench.ledger.fail(claim, BROKEN, ())
    # Its twin, of a redrive that was begun twice, was recorded too and opens nothing.
    assert isinstance(bench.claim(new_job(message_id="message-3")), Finished)


def test_a_worker_that_has_a_redriven_message_at_once_waits_until_its_job_knows_it(
    bench: LedgerBench, operations: Operations
) -> None:
    bench.ledger.fail(bench.claimed(), BROKEN, ())
    known = operations.jobs_of(["message-1"])["message-1"]
    with ThreadPoolExecutor(1) as pool:
        answers: list[Future[object]] = []

        def send() -> str:
            answers.append(pool.submit(bench.claim, new_job(message_id="message-2")))
            wait_for_lock(bench, 1)
            return "message-2"

        # The second letter of a job that this redrive has opened, and that has failed since.
        operations.redrive(known, "message-1", send, opening=False)
        (answer,) = answers

        assert answer.result() == Finished(known.id, JobStatus.FAILED, "geometry_invalid")
    assert bench.value("SELECT reopenings FROM jobs.job") == 0


def test_a_letter_that_is_not_sent_leaves_its_job_failed_with_its_code(
    bench: LedgerBench, operations: Operations
) -> None:
    bench.ledger.fail(bench.claimed(), BROKEN, ())
    known = operations.jobs_of(["message-1"])["message-1"]

    def send() -> str:
        raise AWAY

    with pytest.raises(TransientError):
        operations.redrive(known, "message-1", send, opening=True)

    assert operations.jobs_of(["message-1"])["message-1"] == known
    assert (known.status, known.error_code) == ("FAILED", "geometry_invalid")


def test_a_queue_that_is_slow_to_take_a_letter_does_not_keep_its_job_locked(
    bench: LedgerBench,
) -> None:
    bench.ledger.fail(bench.claimed(), BROKEN, ())

    def send() -> str:
        # Gives up after the lock_timeout that workers have.
        with psycopg.connect(bench.url, options="-c lock_timeout=10s") as worker:
            worker.execute("SELECT FROM jobs.job FOR UPDATE")
        return "message-2"

    with Database(database_settings(bench.url)) as database:
        operations = Operations(database.connection, made_by="ann")
        known = operations.jobs_of(["message-1"])["message-1"]
        with pytest.raises(DependencyDown):
            operations.redrive(known, "message-1", send, opening=True)

    assert status(bench) == "FAILED"
    # Should the message have been sent after all, it opens the job by itself.
    assert isinstance(bench.claim(new_job(message_id="message-2")), Claim)


def test_the_entry_of_an_unreadable_message_keeps_its_verdict(
    bench: LedgerBench, operations: Operations
) -> None:
    entry = new_job("message:m1", type=UNREADABLE, payload=None, message_id="m1")
    bench.ledger.record_invalid(entry, BROKEN, ())
    known = operations.jobs_of(["m1"])["m1"]

    assert operations.redrive(known, "m1", lambda: "m2", opening=True) == ("m2", False)

    assert status(bench, "message:m1") == "FAILED"
    # Readable now, it becomes the job that it asks for.
    assert isinstance(bench.claim(new_job(message_id="m2")), Claim)


def test_why_a_message_that_never_became_a_job_was_dropped_is_kept(
    bench: LedgerBench, operations: Operations
) -> None:
    operations.dropped(None, "m1", "a test of someone@example.com")

    with psycopg.connect(bench.url) as connection:
        (made,) = find_interventions(connection, "m1")
    assert (made.action, made.note) == ("drop", "a test of [e-mail]")


def test_a_redrive_is_recorded_while_a_worker_claims_the_message_it_has_sent(
    bench: LedgerBench, operations: Operations
) -> None:
    bench.claimed(new_job(message_id="message-1"))
    known = operations.jobs_of(["message-1"])["message-1"]
    with ThreadPoolExecutor() as pool, psycopg.connect(bench.url) as worker:
        # As at a claim: the job first, then the message.
        worker.execute("SELECT FROM jobs.job WHERE id = %s FOR UPDATE", (known.id,))
        recorded = pool.submit(
            operations.redrive, known, "message-1", lambda: "message-2", opening=True
        )
        ends_at = time.monotonic() + 20
        while not bench.value(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ):
            assert time.monotonic() < ends_at, "the command waits for the worker"
            time.sleep(0.05)
        remember_message(worker, "message-2", known.id)
        worker.commit()
        recorded.result(timeout=20)

    assert operations.jobs_of(["message-2"])["message-2"].id == known.id
