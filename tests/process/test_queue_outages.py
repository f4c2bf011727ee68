"""The queue throttles, goes missing or falls silent, and the real worker waits for it."""

from __future__ import annotations

import httpx
import pytest
from psycopg.conninfo import make_conninfo

from tests.fakes.environment import Environment
from tests.fakes.sqs_server import NO_QUEUE, OVER_LIMIT, THROTTLED, SqsServer, refusing
from tests.fakes.submissions import quote
from tests.fakes.tcp_proxy import TcpProxy
from tests.fakes.worker_process import health_of
from worker.demo.aws import create_queue_pair
from worker.demo.fake_service import Misbehaviour

DENIED = refusing("AccessDeniedException", status=403, message="not authorised")


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


def test_a_wait_for_the_database_does_not_hide_a_queue_that_is_missing(
    on_double: Environment, double: SqsServer
) -> None:
    with on_double.database_proxy() as proxy:
        there = make_conninfo(on_double.database_url, host="127.0.0.1", port=proxy.port)
        through = {"DATABASE_URL": there, "DB_CONNECT_TIMEOUT_SECONDS": "1"}
        with on_double.faulty_worker("impatient-with-the-queue", "3", **through) as worker:
            url = health_of(worker)
            worker.wait_for("worker.polling")
            double.client.delete_queue(QueueUrl=on_double.queue.url)
            worker.wait_for("queue.unreachable")
            proxy.cut()
            worker.wait_for("dependency.down", dependency="database")
            worker.wait_until(lambda: httpx.get(url).status_code == 200, "wait for the database")
            proxy.join()
            worker.wait_for("dependency.up")
            worker.wait_until(lambda: httpx.get(url).status_code == 503, "unhealthy worker")
            assert worker.process.poll() is None


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
        with on_double.worker(**through) as worker:
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
