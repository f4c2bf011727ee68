"""The queue does what AWS documents, or fails, and the real worker makes the best of it."""

from __future__ import annotations

import httpx
import pytest

from tests.fakes.sqs_server import (
    INTERNAL_ERROR,
    INVALID_HANDLE,
    NO_QUEUE,
    OVER_LIMIT,
    THROTTLED,
    SqsServer,
    refusing,
)
from tests.fakes.tcp_proxy import TcpProxy
from tests.process.conftest import Environment
from tests.process.test_process_faults import health_of
from tests.process.test_worker import computing_blocked, put_site, quote, request
from worker.demo.aws import create_queue_pair
from worker.demo.fake_service import Misbehaviour

SHORT = {"SQS_VISIBILITY_TIMEOUT": "8", "WORKER_LEASE_SECONDS": "3"}
DENIED = refusing("AccessDeniedException", status=403, message="not authorised")


@pytest.fixture
def double(on_double: Environment) -> SqsServer:
    assert on_double.double is not None
    return on_double.double


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


def test_a_worker_that_cannot_extend_stops_before_its_lease_ends_and_writes_nothing(
    on_double: Environment, double: SqsServer
) -> None:
    put_site(on_double)
    double.misbehave_always("ChangeMessageVisibility", INTERNAL_ERROR)
    with on_double.worker(**SHORT) as worker:
        with computing_blocked(on_double):
            on_double.send(request())
            worker.wait_for("lease.lost")
            worker.wait_for("message.kept")
        assert worker.events("lease.renewal_failed")
        assert on_double.value("SELECT count(*) FROM jobs.result") == 0
        assert on_double.value("SELECT count(*) FROM jobs.delivery") == 0
        double.misbehave_always("ChangeMessageVisibility", None)
        worker.wait_for("message.deleted")

    assert len(on_double.backend.received) == 1
    assert on_double.value("SELECT count(*) FROM jobs.result") == 1


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


def test_a_throttled_queue_is_asked_less_and_less_and_the_worker_lives(
    on_double: Environment, double: SqsServer
) -> None:
    double.misbehave("ReceiveMessage", THROTTLED, OVER_LIMIT, THROTTLED)
    on_double.send(quote())
    with on_double.worker() as worker:
        worker.wait_for("message.deleted")
        assert worker.process.poll() is None

    waits = [float(str(line["wait_s"])) for line in worker.events("queue.unreachable")]
    assert len(waits) == 3
    for failure, wait_s in enumerate(waits, start=1):
        assert 0.5 * 2**failure <= wait_s <= 2**failure
    assert worker.wait_for("queue.reachable")["failures"] == 3
    assert worker.wait_for("message.received")["receive_count"] == 1


def test_a_queue_that_goes_missing_is_waited_for_and_told_to_the_health_check(
    on_double: Environment, double: SqsServer
) -> None:
    with on_double.faulty_worker("impatient-with-the-queue", "3") as worker:
        url = health_of(worker)
        worker.wait_for("worker.polling")
        worker.wait_until(lambda: httpx.get(url).status_code == 200, "healthy worker")
        double.client.delete_queue(QueueUrl=on_double.queue.url)
        unreachable = worker.wait_for("queue.unreachable")
        worker.wait_until(lambda: httpx.get(url).status_code == 503, "unhealthy worker")
        assert worker.process.poll() is None

        double.clock.pass_time(61)
        create_queue_pair(double.client, "jobs")
        on_double.send(quote())
        worker.wait_for("queue.reachable")
        worker.wait_for("message.deleted")
        worker.wait_until(lambda: httpx.get(url).status_code == 200, "healthy worker")

    assert unreachable["error_code"] == "queue_missing"


@pytest.mark.parametrize(
    ("fault", "said"), [(NO_QUEUE, "queue_missing"), (DENIED, "queue_access_denied")]
)
def test_a_worker_does_not_start_without_its_queue(
    on_double: Environment, double: SqsServer, fault: Misbehaviour, said: str
) -> None:
    double.misbehave_always("GetQueueAttributes", fault)
    with on_double.worker() as worker:
        assert worker.wait() == 69
    (line,) = worker.events("worker.not_started")
    assert line["error_code"] == "queue_unavailable"
    assert said in str(line["error_detail"])


def test_a_partition_ends_a_poll_and_polling_goes_on_after_it(
    on_double: Environment, double: SqsServer
) -> None:
    host, port = double.endpoint_url.removeprefix("http://").split(":")
    with TcpProxy(host, int(port)) as proxy:
        through = {"AWS_ENDPOINT_URL_SQS": f"http://127.0.0.1:{proxy.port}"}
        with on_double.worker(**SHORT, **through) as worker:
            worker.wait_for("worker.polling")
            proxy.silence()
            unreachable = worker.wait_for("queue.unreachable")
            assert worker.process.poll() is None
            proxy.join()
            worker.wait_for("queue.reachable")
            on_double.send(quote())
            worker.wait_for("message.deleted")

    assert unreachable["error_code"] == "queue_unavailable"
    assert "ReadTimeout" in str(unreachable["error_detail"])
    assert on_double.backend.quotes["NRF-000001"].changes == 1
