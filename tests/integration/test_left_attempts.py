"""Attempts whose end the database does not take when it comes, because it is away."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from structlog.testing import LogCapture

from tests.fakes.clients import database_settings
from tests.fakes.consumers import consumer
from tests.fakes.ledger import LedgerBench, connector, new_job, outcomes, reaped, status
from tests.fakes.messages import assessment_body, message
from tests.fakes.runners import Clock, Patient, handle, runner
from tests.fakes.sqs_bench import SqsBench
from tests.fakes.sqs_server import SqsServer
from tests.fakes.tcp_proxy import TcpProxy
from worker.clients.db import Database
from worker.errors import EX_OK, EX_TEMPFAIL, DependencyDown, PermanentError, TransientError
from worker.jobs.context import JobContext
from worker.jobs.registry import JobOutput
from worker.ledger.ledger import Ledger
from worker.ledger.models import JobStatus, Poisoned
from worker.ledger.operations import Operations
from worker.ledger.outbox import Outbox
from worker.metrics import _ENDS
from worker.queue.keeper import Keeper
from worker.queue.sqs import Message, SqsQueue
from worker.readiness import DATABASE, Probe
from worker.runner import Runner
from worker.shutdown import StopSignal
from worker.verdicts import DELETE, Action

LEASE_S = 1.5
JOB = "job-0001"
BROKEN = PermanentError("geometry_invalid", "The boundary crosses itself.")
AWAY = DependencyDown("database_unavailable", "The database can't be reached.")
SLOW = TransientError("s3_unavailable", "S3 does not answer.")


@dataclass
class Failing(Patient):
    """A job that fails by itself, after something has happened to it."""

    error: Exception = field(default=BROKEN)

    def run(self, _: JobContext) -> JobOutput:
        self.during()
        raise self.error


@dataclass
class Bench(LedgerBench):
    """The same database as its worker sees it, behind a proxy, and as everybody else does."""

    others: LedgerBench = field(init=False)
    proxy: TcpProxy = field(init=False)
    database: Database = field(init=False)

    def answers(self) -> bool:
        """To its worker."""
        try:
            self.database.probe()
        except DependencyDown:
            return False
        return True


@pytest.fixture
def bench(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("WORKER_LEASE_SECONDS", str(LEASE_S))
    server = conninfo_to_dict(database_url)
    with TcpProxy(str(server["host"]), int(str(server["port"]))) as proxy:
        there = make_conninfo(database_url, host="127.0.0.1", port=proxy.port)
        with Database(
            database_settings(there, connect_timeout_s=1, statement_timeout_s=2)
        ) as database:
            one = Bench(there)
            one.ledger = Ledger(database.connection)
            one.outbox = Outbox(database.connection, claim_s=60)
            one.others, one.proxy = LedgerBench(database_url), proxy
            one.database = database
            yield one


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    one = Keeper(LEASE_S / 3)
    one.start()
    yield one
    one.close()


def of_job(bench: Bench, keeper: Keeper, job: Patient, *more: Patient) -> Runner:
    return runner(bench, keeper, Clock(), job, [], *more)


def ends(log: LogCapture) -> list[str]:
    """What was told of the ends of attempts; each counts as one in the metrics."""
    return [entry["event"] for entry in log.entries if entry["event"] in _ENDS]


def until(look: Callable[[], bool], what: str) -> None:
    ends_at = time.monotonic() + 20
    while not look():
        assert time.monotonic() < ends_at, f"no {what}"
        time.sleep(0.05)


def write_left(one: Runner, bench: Bench, log: LogCapture, *, ended: int = 1) -> None:
    """As the loop does before each poll, until the pool has found the database again."""
    bench.proxy.join()

    def written() -> bool:
        one.write_left()
        return len(ends(log)) == ended

    until(written, "written end")


def lease_has_passed(bench: Bench) -> bool:
    return bool(
        bench.others.value("SELECT bool_and(expires_at < clock_timestamp()) FROM jobs.assignment")
    )


def taken_by_nobody(_: LedgerBench) -> None:
    pass


def taken_by_another(others: LedgerBench) -> None:
    others.claimed(new_job(JOB))


def taken_by_the_reaper(others: LedgerBench) -> None:
    (one,) = reaped(others)
    assert one.status is JobStatus.PENDING


@pytest.mark.parametrize(
    ("meanwhile", "attempts", "said"),
    [
        (taken_by_nobody, 0, "job.handed_back"),
        (taken_by_another, 1, "claim.fenced"),
        (taken_by_the_reaper, 0, "claim.fenced"),
    ],
)
def test_an_attempt_that_could_not_be_renewed_without_a_database_does_not_count(
    bench: Bench,
    keeper: Keeper,
    log: LogCapture,
    meanwhile: Callable[[LedgerBench], None],
    attempts: int,
    said: str,
) -> None:
    one = of_job(bench, keeper, Patient(bench.proxy.cut))

    verdict = handle(one, message(assessment_body()))

    assert verdict.action is Action.RELEASE
    assert verdict.delay_s > LEASE_S
    until(lambda: lease_has_passed(bench), "lease that has passed")
    one.write_left()
    assert outcomes(bench.others) == [None], "still away"
    assert ends(log) == []
    meanwhile(bench.others)
    write_left(one, bench, log)

    first = "SELECT outcome FROM jobs.assignment ORDER BY id LIMIT 1"
    assert bench.others.value(first) == "handed_back"
    assert bench.others.value("SELECT attempts FROM jobs.job") == attempts
    assert ends(log) == [said]
    one.write_left()
    assert bench.others.value("SELECT attempts FROM jobs.job") == attempts, "once"


def test_outages_do_not_make_a_job_poison(bench: Bench, keeper: Keeper, log: LogCapture) -> None:
    for outage in (1, 2):
        one = of_job(bench, keeper, Patient(bench.proxy.cut))
        handle(one, message(assessment_body()))
        until(lambda: lease_has_passed(bench), "lease that has passed")
        reaped(bench.others)
        write_left(one, bench, log, ended=outage)

    done = of_job(bench, keeper, Patient(lambda: None, until=lambda: True))

    assert handle(done, message(assessment_body())) == DELETE
    assert outcomes(bench.others) == ["handed_back", "handed_back", "succeeded"]
    assert bench.others.value("SELECT attempts FROM jobs.job") == 1


def test_a_failure_that_could_not_be_written_is_written_and_told_later(
    bench: Bench, keeper: Keeper, log: LogCapture
) -> None:
    one = of_job(bench, keeper, Failing(bench.proxy.cut))

    handle(one, message(assessment_body()))

    assert [entry["event"] for entry in log.entries].count("claim.left") == 1
    assert ends(log) == [], "the requester is not told yet"
    write_left(one, bench, log)
    assert ends(log) == ["job.failed"]
    assert status(bench.others, JOB) == "FAILED"


def test_an_end_that_the_database_does_not_take_holds_up_no_other(
    bench: Bench, keeper: Keeper, log: LogCapture
) -> None:
    second = Failing(bench.proxy.cut, key="job-0002")
    one = of_job(bench, keeper, Failing(bench.proxy.cut), second)
    for _ in range(2):
        until(bench.answers, "database")
        handle(one, message(assessment_body()))
        bench.proxy.join()
    with psycopg.connect(bench.others.url) as other:
        other.execute("SELECT FROM jobs.job WHERE key = %s FOR UPDATE", (JOB,))

        write_left(one, bench, log)

        assert status(bench.others, "job-0002") == "FAILED"
        assert status(bench.others, JOB) == "IN_PROGRESS"
    write_left(one, bench, log, ended=2)
    assert status(bench.others, JOB) == "FAILED"


@pytest.mark.parametrize("error", [BROKEN, SLOW], ids=["failed", "retried"])
def test_a_failure_that_somebody_else_has_taken_over_is_no_attempt_that_vanished(
    bench: Bench, keeper: Keeper, log: LogCapture, error: Exception
) -> None:
    one = of_job(bench, keeper, Failing(bench.proxy.cut, error=error))
    handle(one, message(assessment_body()))
    until(lambda: lease_has_passed(bench), "lease that has passed")
    bench.others.claimed(new_job(JOB))

    write_left(one, bench, log)

    assert ends(log) == ["claim.fenced"]
    assert outcomes(bench.others) == ["handed_back", None]
    bench.others.expire_leases()
    assert not isinstance(bench.others.claim(new_job(JOB)), Poisoned), "one has vanished"


@pytest.mark.parametrize("error", [BROKEN, SLOW, AWAY], ids=["failed", "retried", "handed-back"])
def test_an_end_that_comes_after_a_cancellation_is_not_told(
    bench: Bench, keeper: Keeper, log: LogCapture, error: Exception
) -> None:
    operations = Operations(connector(bench.others.url), made_by="ann")
    job = Failing(lambda: operations.cancel(operations.job(JOB), None), error=error)

    assert handle(of_job(bench, keeper, job), message(assessment_body())) == DELETE

    assert ends(log) == ["job.cancelled"]


class Releasing(SqsQueue):
    """Something happens once a message was released: by then its attempt's end was left."""

    def __init__(self, double: SqsServer, messages: int, then: Callable[[], None]) -> None:
        super().__init__(double.client, SqsBench(double.client).queue())
        self._then = then
        for _ in range(messages):
            double.client.send_message(
                QueueUrl=self._url, MessageBody=json.dumps(assessment_body())
            )

    def release(self, message: Message, seconds: int) -> int:
        delay_s = super().release(message, seconds)
        self._then()
        return delay_s


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[SqsServer]:
    monkeypatch.setenv("SQS_WAIT_TIME_SECONDS", "0")
    monkeypatch.setenv("SQS_MAX_MESSAGES", "10")
    with SqsServer() as one:
        yield one


def back(bench: Bench) -> None:
    bench.proxy.join()
    until(bench.answers, "database")


def test_an_end_that_was_left_is_written_before_the_next_message_of_its_batch(
    bench: Bench, keeper: Keeper, double: SqsServer
) -> None:
    stop, seen = StopSignal(30), list[object]()

    def look() -> None:
        seen.append(status(bench.others, JOB))
        stop.request()

    second = Patient(look, until=lambda: True, key="job-0002")
    one = of_job(bench, keeper, Failing(bench.proxy.cut), second)
    queue = Releasing(double, 2, lambda: back(bench))

    assert consumer(queue, one, keeper, stop).run() == EX_OK

    assert seen == ["FAILED"]
    assert status(bench.others, "job-0002") == "SUCCEEDED"


@pytest.mark.parametrize(
    "limit",
    [{"WORKER_MAX_JOBS": "1"}, {"WORKER_MAX_RSS_MB": "64"}, {}],
    ids=["jobs", "memory", "stop"],
)
def test_a_worker_that_ends_writes_the_ends_that_were_left(
    bench: Bench,
    keeper: Keeper,
    double: SqsServer,
    monkeypatch: pytest.MonkeyPatch,
    limit: dict[str, str],
) -> None:
    for name, value in limit.items():
        monkeypatch.setenv(name, value)
    stop = StopSignal(30)

    def come_back() -> None:
        back(bench)
        if not limit:
            stop.request()

    one = of_job(bench, keeper, Failing(bench.proxy.cut))
    code = consumer(Releasing(double, 1, come_back), one, keeper, stop).run()

    assert code == (EX_TEMPFAIL if limit else EX_OK)
    assert status(bench.others, JOB) == "FAILED"


def test_a_silent_database_does_not_keep_a_worker_with_ends_to_write_from_stopping(
    bench: Bench, keeper: Keeper, double: SqsServer
) -> None:
    stop = StopSignal(4)

    def fall_silent() -> None:
        back(bench)
        bench.proxy.silence()
        stop.request()

    one = of_job(bench, keeper, Failing(bench.proxy.cut))
    loop = consumer(Releasing(double, 1, fall_silent), one, keeper, stop)
    running = threading.Thread(target=loop.run, daemon=True)
    running.start()

    running.join(20)

    assert not running.is_alive()
    assert status(bench.others, JOB) == "IN_PROGRESS"
    bench.proxy.join()
    until(lambda: status(bench.others, JOB) == "FAILED", "end of what was under way")


def test_ends_are_written_while_the_reference_data_is_missing(
    bench: Bench, keeper: Keeper, double: SqsServer
) -> None:
    stop, lost = StopSignal(30), threading.Event()

    def reference_data() -> None:
        if lost.is_set():
            raise DependencyDown("reference_data_missing", "There is no reference data.")

    def lose_the_reference_data() -> None:
        back(bench)
        lost.set()

    one = of_job(bench, keeper, Failing(bench.proxy.cut))
    queue = Releasing(double, 1, lose_the_reference_data)
    probes = Probe(DATABASE, bench.database.probe), Probe("reference data", reference_data)
    loop = consumer(queue, one, keeper, stop, time.monotonic, *probes)
    running = threading.Thread(target=loop.run, daemon=True)
    running.start()

    until(lost.is_set, "end that was left")
    until(lambda: status(bench.others, JOB) == "FAILED", "written end")

    assert running.is_alive(), "it waits for the data"
    stop.request()
    running.join()
