"""The queue does what AWS documents, or fails, and the real worker makes the best of it."""

from __future__ import annotations

from tests.fakes.sqs_server import INTERNAL_ERROR, INVALID_HANDLE
from tests.process.conftest import Environment
from tests.process.test_worker import quote


def test_a_receipt_that_is_refused_at_the_delete_is_stale_and_ends_nothing(
    on_double: Environment,
) -> None:
    assert on_double.double is not None
    on_double.double.misbehave("DeleteMessage", INVALID_HANDLE)
    on_double.send(quote())
    with on_double.worker(SQS_VISIBILITY_TIMEOUT="8", WORKER_LEASE_SECONDS="2") as worker:
        worker.wait_for("message.stale")
        worker.wait_for("message.deleted")

    assert len(worker.events("job.claimed")) == 1
    assert on_double.backend.quotes["NRF-000001"].changes == 1
    assert on_double.messages() == on_double.dead_letters() == 0


def test_a_message_that_cannot_be_deleted_is_deleted_at_its_next_receipt_without_a_rerun(
    on_double: Environment,
) -> None:
    assert on_double.double is not None
    on_double.double.misbehave("DeleteMessage", *[INTERNAL_ERROR] * 3)
    on_double.send(quote())
    with on_double.worker(SQS_VISIBILITY_TIMEOUT="8", WORKER_LEASE_SECONDS="2") as worker:
        unsettled = worker.wait_for("message.unsettled")
        worker.wait_for("message.deleted")

    assert unsettled["action"] == "delete"
    assert on_double.double.calls["DeleteMessage"] == 4
    assert worker.events("job.duplicate")
    assert len(worker.events("job.claimed")) == 1
    assert on_double.backend.quotes["NRF-000001"].changes == 1
    assert on_double.messages() == on_double.dead_letters() == 0
