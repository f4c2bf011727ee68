"""Visibility and receipts, as AWS documents them or failing, under the real worker."""

from __future__ import annotations

from tests.fakes.blocked_queries import computing_blocked
from tests.fakes.environment import Environment
from tests.fakes.sqs_server import INTERNAL_ERROR, INVALID_HANDLE, SqsServer
from tests.fakes.submissions import put_site, quote, request
from worker.demo.fake_service import Misbehaviour

SHORT = {"SQS_VISIBILITY_TIMEOUT": "8", "WORKER_LEASE_SECONDS": "3"}


def test_a_receipt_that_is_refused_at_the_delete_is_stale_and_ends_nothing(
    on_double: Environment, double: SqsServer
) -> None:
    double.misbehave("DeleteMessage", INVALID_HANDLE)
    on_double.send(quote())
    with on_double.worker(**SHORT) as worker:
        worker.wait_for("message.stale")
        worker.wait_for("message.deleted")

    assert len(worker.events("job.claimed")) == 1
    assert on_double.backend.quotes["NRF-000001"].changes == 1
    assert on_double.messages() == on_double.dead_letters() == 0


def test_a_message_that_cannot_be_deleted_is_deleted_at_its_next_receipt_without_a_rerun(
    on_double: Environment, double: SqsServer
) -> None:
    double.misbehave("DeleteMessage", *[INTERNAL_ERROR] * 3)
    on_double.send(quote())
    with on_double.worker(**SHORT) as worker:
        unsettled = worker.wait_for("message.unsettled")
        worker.wait_for("message.deleted")

    assert unsettled["action"] == "delete"
    assert double.calls["DeleteMessage"] == 4
    assert worker.events("job.duplicate")
    assert len(worker.events("job.claimed")) == 1
    assert on_double.backend.quotes["NRF-000001"].changes == 1
    assert on_double.messages() == on_double.dead_letters() == 0


def test_a_job_that_outlives_its_visibility_is_extended_and_runs_once(
    on_double: Environment, double: SqsServer
) -> None:
    put_site(on_double)
    shorter = {"SQS_VISIBILITY_TIMEOUT": "7", "WORKER_LEASE_SECONDS": "2"}
    with on_double.worker(**shorter) as worker, on_double.worker(**shorter) as other:
        worker.wait_for("worker.polling")
        other.wait_for("worker.polling")
        with computing_blocked(on_double):
            on_double.send(request())
            # One each two thirds of a second: the twelfth comes when seven seconds are over.
            worker.wait_until(lambda: double.calls["ChangeMessageVisibility"] >= 12, "renewals")
        worker.wait_until(
            lambda: worker.events("message.deleted") or other.events("message.deleted"), "delete"
        )

    for event in ("message.received", "job.claimed", "message.deleted"):
        assert len(worker.events(event) + other.events(event)) == 1, event
    assert len(on_double.backend.received) == 1
    assert on_double.messages() == on_double.dead_letters() == 0


def test_a_worker_that_cannot_extend_hands_its_job_back_uncounted_and_stores_nothing(
    on_double: Environment, double: SqsServer
) -> None:
    put_site(on_double)
    double.misbehave_always("ChangeMessageVisibility", INTERNAL_ERROR)
    with on_double.worker(**SHORT) as worker:
        with computing_blocked(on_double):
            on_double.send(request())
            worker.wait_for("job.handed_back", error_code="lease_not_renewed")
            worker.wait_for("message.kept")
        assert worker.events("lease.renewal_failed")
        assert on_double.value("SELECT count(*) FROM jobs.result") == 0
        assert on_double.value("SELECT count(*) FROM jobs.delivery") == 0
        double.misbehave_always("ChangeMessageVisibility", None)
        worker.wait_for("message.deleted")

    assert len(on_double.backend.received) == 1
    assert on_double.value("SELECT count(*) FROM jobs.result") == 1
    assert on_double.value("SELECT attempts FROM jobs.job") == 1, "SQS was away, not the job"


def test_a_receipt_that_has_grown_old_deletes_nothing_and_the_next_one_does(
    on_double: Environment, double: SqsServer
) -> None:
    double.deliver_twice(on_double.queue.url)
    on_double.backend.misbehave(Misbehaviour(delay_s=3.0))
    on_double.send(quote())
    # Who finds the delivery under way comes back when it is made, not three times meanwhile.
    patient = {**SHORT, "WORKER_BACKOFF_BASE_SECONDS": "2"}
    with on_double.worker(**patient) as first, on_double.worker(**patient) as second:
        first.wait_until(lambda: on_double.messages() == 0, "empty queue")

    assert len(first.events("message.received") + second.events("message.received")) >= 2
    assert len(first.events("job.claimed") + second.events("job.claimed")) == 1
    assert on_double.backend.quotes["NRF-000001"].changes == 1
    assert on_double.dead_letters() == 0
