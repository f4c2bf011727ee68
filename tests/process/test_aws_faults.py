"""What SQS, S3 and the source of credentials do to the real worker, over real HTTP."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from tests.fakes.aws_credentials import Credentials
from tests.fakes.aws_proxy import AwsProxy, Call, Cut, Fault, Refusal
from tests.fakes.blocked_queries import computing_blocked
from tests.fakes.commands import start
from tests.fakes.environment import COMPLETED, Environment
from tests.fakes.submissions import put_site, quote, request
from tests.fakes.tcp_proxy import TcpProxy
from tests.fakes.worker_process import PATIENCE_S, WorkerProcess, health_of

A_FORTNIGHT_S, A_DAY_S = "1209600", "86400"


@pytest.fixture
def proxy(environment: Environment) -> Iterator[AwsProxy]:
    with AwsProxy(environment.aws) as one:
        yield one


@dataclass
class Once:
    """A fault of the first call that it fits."""

    fault: Fault
    method: str
    met: int = 0

    def __call__(self, call: Call) -> Fault | None:
        if call.is_s3 and call.method == self.method and not self.met:
            self.met += 1
            return self.fault
        return None


@dataclass
class Counted:
    """How many calls were refused by a rule."""

    rule: Credentials
    refused: list[Call] = field(default_factory=list)

    def __call__(self, call: Call) -> Fault | None:
        if not self.rule.has_ended(call.key_id):
            return None
        self.refused.append(call)
        return Refusal(403, "ExpiredToken" if call.is_s3 else "ExpiredTokenException")


def test_a_queue_without_a_dead_letter_queue_is_told_at_the_start(
    environment: Environment,
) -> None:
    environment.aws.sqs.set_queue_attributes(
        QueueUrl=environment.queue.url, Attributes={"RedrivePolicy": ""}
    )
    environment.send(quote())
    with environment.worker() as worker:
        warned = worker.wait_for("dlq.missing")
        worker.wait_for("message.deleted")

    assert warned["log.level"] == "warning"


def test_without_a_dead_letter_queue_a_refused_message_comes_back_after_a_wait(
    environment: Environment,
) -> None:
    environment.aws.sqs.set_queue_attributes(
        QueueUrl=environment.queue.url, Attributes={"RedrivePolicy": ""}
    )
    environment.send("no json")
    with environment.worker(WORKER_BACKOFF_BASE_SECONDS="1000") as worker:
        released = worker.wait_for("message.released")

    assert float(str(released["delay_s"])) > 0


@pytest.mark.parametrize(("dlq_s", "warned"), [(A_DAY_S, True), (A_FORTNIGHT_S, False)])
def test_a_dead_letter_queue_that_forgets_too_early_is_told_at_the_start(
    environment: Environment, dlq_s: str, warned: bool
) -> None:
    sqs = environment.aws.sqs
    keep = {environment.queue.url: A_DAY_S, environment.queue.dlq_url: dlq_s}
    for url, seconds in keep.items():
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": seconds})
    with environment.worker() as worker:
        worker.wait_for("worker.started")

    assert [line["dlq_s"] for line in worker.events("dlq.retention")] == [int(dlq_s)] * warned


def test_the_dead_letter_queue_of_another_queue_is_told_and_refused(
    environment: Environment,
) -> None:
    foreign = environment.aws.sqs.create_queue(QueueName="dead-letters-of-another")["QueueUrl"]
    ours = environment.queue.dlq_arn
    with environment.worker(SQS_DLQ_URL=foreign) as worker:
        warned = worker.wait_for("dlq.other")
    environment.aws.sqs.send_message(QueueUrl=foreign, MessageBody="{}")

    assert (warned["queue"], warned["moved_to"]) == (foreign, ours)
    for arguments in (("dlq", "redrive", "--all"), ("jobs", "retry", "job-1")):
        process = start(environment, *arguments, SQS_DLQ_URL=foreign)
        _, complaint = process.communicate(timeout=60)
        assert process.returncode == 78
        assert complaint.strip() == (
            f"configuration: SQS_DLQ_URL is not where the dead letters of SQS_QUEUE_URL go: {ours}"
        )
    assert environment.messages() == 0


def test_credentials_that_last_two_seconds_are_replaced_before_they_end(
    environment: Environment, proxy: AwsProxy
) -> None:
    put_site(environment)
    with Credentials() as endpoint:
        proxy.fault = Counted(endpoint)
        variables = {**proxy.variables(environment.queue), **endpoint.variables}
        with environment.worker(**variables) as worker:
            environment.send(quote())
            worker.wait_for("message.deleted")
            worker.wait_until(lambda: len(endpoint.keys) >= 5, "five keys")
            environment.send(request())
            worker.wait_until(lambda: environment.messages() == 0, "an empty queue")

    assert proxy.fault.refused == []
    assert len(environment.backend.received) == 2
    used = {call.key_id for call in proxy.calls}
    assert len(used) >= 3
    assert used <= set(endpoint.keys)


@pytest.mark.parametrize("fault", ["away", "expired", "nonsense"])
def test_a_source_of_credentials_that_is_away_is_waited_for(
    environment: Environment, proxy: AwsProxy, fault: str
) -> None:
    with Credentials() as endpoint:
        variables = {**proxy.variables(environment.queue), **endpoint.variables}
        with environment.worker(**variables) as worker:
            worker.wait_for("worker.polling")
            endpoint.fail_with(fault)
            worker.wait_for("queue.unreachable", error_code="queue_unavailable")
            environment.send(quote())
            endpoint.fail_with(None)
            worker.wait_for("queue.reachable")
            worker.wait_for("message.deleted")


@pytest.mark.parametrize("fault", ["away", "expired", "nonsense"])
def test_a_worker_does_not_start_without_credentials(environment: Environment, fault: str) -> None:
    with Credentials() as endpoint:
        endpoint.fail_with(fault)
        with environment.worker(**endpoint.variables) as worker:
            assert worker.wait() == 69

    (line,) = worker.events("worker.not_started")
    assert line["error_code"] == "queue_unavailable"
    assert worker.events("worker.crashed") == []


def test_what_a_running_poll_brings_after_a_stop_is_released_unprocessed(
    environment: Environment,
) -> None:
    with environment.worker(SQS_WAIT_TIME_SECONDS="20") as worker:
        url = health_of(worker)
        worker.wait_for("worker.polling")
        worker.wait_until(lambda: httpx.get(url).json()["phase"] == "polling", "a poll")
        worker.signal(signal.SIGTERM)
        environment.send(quote())
        assert worker.wait() == 0

    assert worker.events("message.released", delay_s=0)
    assert worker.events("message.received") == []
    assert environment.value("SELECT count(*) FROM jobs.job") == 0
    received = environment.aws.sqs.receive_message(
        QueueUrl=environment.queue.url, MessageSystemAttributeNames=["ApproximateReceiveCount"]
    )
    (message,) = received["Messages"]
    assert json.loads(message["Body"])["reference"] == "NRF-000001"


def test_s3_that_refuses_every_key_pauses_polling_until_it_does_not(
    environment: Environment, proxy: AwsProxy
) -> None:
    proxy.fault = lambda call: Refusal(403, "AccessDenied") if call.is_s3 else None
    put_site(environment)
    put_site(environment, "job-2/site.zip")
    environment.send(request("job-2"))
    variables = {**proxy.variables(environment.queue), "WORKER_CONFIGURATION_PAUSE_SECONDS": "1"}
    with environment.worker(**variables) as worker:
        # One refused key may be a missing one; the second is not.
        worker.wait_for("job.retried", job_id="job-2")
        environment.send(request())
        paused = worker.wait_for("polling.paused")
        worker.wait_for("message.released", delay_s=30)
        environment.send(quote())
        asked = len([call for call in proxy.calls if call.is_s3])
        worker.wait_until(
            lambda: len([call for call in proxy.calls if call.is_s3]) >= asked + 10, "probes"
        )
        assert len(worker.events("message.received")) == 2, "no receive is spent while refused"
        proxy.fault = lambda _: None
        worker.wait_for("polling.resumed")
        worker.wait_for("message.deleted")
        # The same bodies again instead of a wait for the first messages.
        environment.send(request())
        environment.send(request("job-2"))
        worker.wait_until(lambda: len(environment.notify.sent) == 2, "the jobs' e-mails")

    assert paused["error_code"] == "s3_access_denied"
    assert environment.value("SELECT attempts FROM jobs.job WHERE key = 'job-1'") == 1
    assert [one.template_id for one in environment.notify.sent] == [COMPLETED, COMPLETED]


def test_s3_that_is_silent_during_a_pause_holds_up_neither_health_nor_a_stop(
    environment: Environment, proxy: AwsProxy
) -> None:
    refusal = Refusal(403, "AccessDenied")
    answer, asked = threading.Event(), threading.Event()

    def silence(call: Call) -> Fault | None:
        if not call.is_s3:
            return None
        asked.set()
        answer.wait()
        return refusal

    proxy.fault = lambda call: refusal if call.is_s3 else None
    for job in ("job-1", "job-2"):
        put_site(environment, f"{job}/site.zip")
        environment.send(request(job))
    variables = {
        **proxy.variables(environment.queue),
        "WORKER_CONFIGURATION_PAUSE_SECONDS": "1",
        "HEALTH_IDLE_LIMIT_SECONDS": "15",
    }
    with environment.worker(**variables) as worker:
        url = health_of(worker)
        statuses = list[int]()

        def told_again() -> bool:
            statuses.append(httpx.get(url).status_code)
            return len(worker.events("dependency.down", error_code="s3_unavailable")) == 2

        worker.wait_for("polling.paused", error_code="s3_access_denied")
        proxy.fault = silence
        worker.wait_until(told_again, "second question without an answer")
        asked.clear()
        assert asked.wait(PATIENCE_S)
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
        answer.set()

    assert set(statuses) == {200}
    assert worker.events("polling.resumed") == []


def one_fails_and_the_next_is_done(environment: Environment, proxy: AwsProxy) -> WorkerProcess:
    """The worker that could not find the file of job-2 and then assessed job-1; it has ended."""
    environment.send(request("job-2"))
    with environment.worker(**proxy.variables(environment.queue)) as worker:
        worker.wait_until(lambda: environment.dead_letters() == 1, "dead letter")
        environment.send(request())
        worker.wait_for("message.deleted")

    assert worker.wait_for("job.failed")["error_code"] == "boundary_not_found"
    return worker


def test_a_missing_file_where_listing_is_forbidden_concerns_one_job(
    environment: Environment, proxy: AwsProxy
) -> None:
    """S3 says 403 of it, and a worker that has just started could read nothing yet."""
    put_site(environment)
    proxy.fault = lambda call: (
        Refusal(403, "AccessDenied")
        if call.is_s3 and ("job-2" in call.path or "list-type" in call.query)
        else None
    )
    worker = one_fails_and_the_next_is_done(environment, proxy)

    assert worker.events("polling.paused") == []


def test_one_key_that_is_refused_concerns_one_job(
    environment: Environment, proxy: AwsProxy
) -> None:
    put_site(environment)
    put_site(environment, "job-2/site.zip")
    proxy.fault = lambda call: (
        Refusal(403, "AccessDenied") if call.is_s3 and "job-2" in call.path else None
    )
    worker = one_fails_and_the_next_is_done(environment, proxy)

    assert len(worker.events("job.claimed", job_id="job-2")) == 3
    assert worker.events("polling.paused") == []


@pytest.mark.parametrize(
    ("fault", "method"),
    [(Cut(), "GET"), (Refusal(412, "PreconditionFailed"), "HEAD")],
    ids=["reset-half-way", "replaced-meanwhile"],
)
def test_an_object_that_does_not_arrive_whole_is_read_again(
    environment: Environment, proxy: AwsProxy, fault: Fault, method: str
) -> None:
    once = Once(fault, method)
    proxy.fault = once
    put_site(environment)
    environment.send(request())
    with environment.worker(**proxy.variables(environment.queue)) as worker:
        retried = worker.wait_for("job.retried")
        worker.wait_for("message.deleted")

    assert once.met == 1
    assert retried["error_code"] == "object_changed"
    assert len(environment.backend.received) == 1
    assert environment.value("SELECT attempts FROM jobs.job") == 2


def test_a_silent_queue_at_a_stop_does_not_take_as_long_as_a_poll(
    environment: Environment,
) -> None:
    endpoint = httpx.URL(environment.aws.endpoint_url)
    environment.send(quote())
    with TcpProxy("127.0.0.1", endpoint.port or 80) as line:
        url = f"http://127.0.0.1:{line.port}"
        variables = {
            "AWS_ENDPOINT_URL": url,
            "SQS_QUEUE_URL": environment.queue.url.replace(environment.aws.endpoint_url, url),
            "SQS_WAIT_TIME_SECONDS": "20",
            "WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "3",
        }
        with computing_blocked(environment), environment.worker(**variables) as worker:
            worker.wait_for("job.claimed")
            line.silence()
            worker.signal(signal.SIGTERM)
            asked = time.monotonic()
            assert worker.wait() == 0
            # What stopTimeout has to leave beyond the grace period.
            assert time.monotonic() - asked < 3 + 15

    assert worker.events("message.unsettled", action="release")
    assert environment.value("SELECT status::text FROM jobs.job") == "PENDING"
