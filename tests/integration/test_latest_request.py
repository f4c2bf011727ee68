"""Which of a quote's results is sent, and when, on real PostgreSQL with the real courier."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from structlog.testing import LogCapture

from tests.fakes.clients import backend_client, database_settings, notify_client
from tests.fakes.ledger import CLAIM_FOR_AN_HOUR, LedgerBench, connector, delivery, new_job
from tests.fakes.quotes import NRF, asked, at, patch_of, result_of, version
from tests.fakes.tcp_proxy import TcpProxy
from worker.clients.db import Database
from worker.demo.backend import FakeBackend
from worker.demo.fake_service import failing
from worker.demo.notify import FakeNotify
from worker.errors import DependencyDown, PermanentError, TransientError, WorkerError
from worker.jobs.courier import Courier
from worker.jobs.deliveries import Deliverer
from worker.ledger.models import NewDelivery
from worker.ledger.outbox import ClaimedDelivery, Outbox, Superseded
from worker.ledger.queries import find_jobs
from worker.ledger.retention import erase_personal_data

BROKEN = PermanentError("geometry_invalid", "The boundary crosses itself.")
PENDING = "SELECT count(*) FROM jobs.delivery WHERE status = 'PENDING'"


class Bench(LedgerBench):
    """A ledger and a backend, with a courier between them."""

    def __init__(self, url: str, backend: FakeBackend, notify: FakeNotify) -> None:
        super().__init__(url)
        self.backend = backend
        self.deliverer = Deliverer(backend_client(backend.url, wait_s=0), notify_client(notify.url))
        self.courier = self.courier_with(self.outbox)

    def courier_with(
        self, outbox: Outbox, on_progress: Callable[[str], None] = lambda _: None
    ) -> Courier:
        return Courier(
            outbox,
            self.deliverer,
            backoff_base_s=60,
            notices=lambda *_: (),
            on_progress=on_progress,
        )

    def deliver(self, job_id: int) -> int:
        """Make what is pending of this job; how many deliveries are left of it."""
        return self.courier.deliver_job(job_id, lambda: None).pending

    def sweep(self) -> None:
        """Sweep until nothing is left, however long it would have to wait."""
        while self.value(PENDING):
            self.execute("UPDATE jobs.delivery SET next_attempt_at = now(), claimed_until = NULL")
            self.courier.sweep(lambda: None)

    def execute(self, query: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(query.encode())

    def ended(self, job_id: int) -> object:
        """How the job's result and the job itself have ended."""
        return self.value(
            "SELECT concat_ws(' ', d.status, d.error_code, j.status)"
            " FROM jobs.delivery d JOIN jobs.job j ON j.id = d.job_id"
            " WHERE j.id = %s ORDER BY d.id DESC LIMIT 1",
            job_id,
        )

    def units(self, reference: str = NRF) -> object:
        """What the backend says at last."""
        body = self.backend.quotes[reference].body
        assert isinstance(body, dict)
        return body["edps"][0]["impact"]["nitrogenTotal"]["amount"]


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    with FakeBackend() as backend, FakeNotify() as notify:
        yield Bench(database_url, backend, notify)


def claimed_of(bench: LedgerBench, job_id: int) -> ClaimedDelivery:
    claimed = bench.outbox.claim_next(job_id=job_id)
    assert claimed is not None
    return claimed


@pytest.mark.parametrize(
    "second", [2, 1, None], ids=["later", "at the same time", "nobody knows when"]
)
def test_an_older_result_is_withheld_and_its_job_stays_succeeded(
    bench: Bench, second: int | None
) -> None:
    older = asked(bench, version(10, 1))
    newer = asked(bench, version(20, second))

    assert bench.deliver(older) == 0
    assert bench.deliver(newer) == 0

    assert bench.ended(older) == "REJECTED superseded SUCCEEDED"
    assert bench.ended(newer) == "DELIVERED SUCCEEDED"
    assert [one.method for one in bench.backend.received] == ["PATCH"]
    assert bench.units() == 20


def test_a_request_that_arrives_after_a_later_one_is_withheld(bench: Bench) -> None:
    newer = asked(bench, version(20, 2))
    assert bench.deliver(newer) == 0

    older = asked(bench, version(10, 1))

    assert bench.deliver(older) == 0
    assert bench.ended(older) == "REJECTED superseded SUCCEEDED"
    assert bench.units() == 20


def test_a_later_request_wins_whatever_has_become_of_it(bench: Bench) -> None:
    older = asked(bench, version(10, 1))
    bench.ledger.fail(bench.claimed(version(20, 2)), BROKEN, ())

    assert bench.deliver(older) == 0

    assert bench.ended(older) == "REJECTED superseded SUCCEEDED"
    assert bench.backend.received == []


def test_notices_and_results_of_other_jobs_do_not_mind_later_ones(bench: Bench) -> None:
    assessments = [bench.claimed(new_job(f"job-{one}", asked_at=at(one))) for one in (1, 2)]
    for claim in assessments:
        bench.ledger.succeed(claim, {}, (result_of(claim.job.id),))
    failed = bench.claimed(version(10, 1))
    bench.ledger.fail(failed, BROKEN, (delivery("failed-support", required=False),))
    bench.claimed(version(20, 2))

    for claim in (*assessments, failed):
        bench.outbox.check(claimed_of(bench, claim.job.id))


def test_what_superseded_a_result_is_told_with_its_job(bench: Bench, log: LogCapture) -> None:
    older = asked(bench, version(10, 1))
    newer = version(20, 2)
    asked(bench, newer)
    bench.deliver(older)

    with psycopg.connect(bench.url) as connection:
        (story,) = find_jobs(connection, version(10).key)

    (told,) = story.deliveries
    assert (told.error_code, told.error_detail) == ("superseded", f"by {newer.key}")
    (line,) = [one for one in log.entries if one["event"] == "delivery.superseded"]
    assert line["error_detail"] == told.error_detail


def test_two_results_about_one_quote_are_never_under_way_at_once(bench: Bench) -> None:
    older = asked(bench, version(10, 1))
    under_way = claimed_of(bench, older)
    bench.outbox.check(under_way)
    newer = asked(bench, version(20, 2))

    assert bench.deliver(newer) == 1
    assert bench.backend.received == []
    bench.outbox.delivered(under_way, {})

    assert bench.deliver(newer) == 0
    assert bench.units() == 20


def test_a_result_that_waits_its_turn_holds_up_no_other_quote(bench: Bench) -> None:
    claimed_of(bench, asked(bench, version(10, 1)))
    waiting = asked(bench, version(20, 2))
    other = asked(bench, version(30, 3, reference="NRF-000002"))

    bench.courier.sweep(lambda: None)

    assert bench.ended(waiting) == "PENDING delivery_has_to_wait SUCCEEDED"
    assert bench.ended(other) == "DELIVERED SUCCEEDED"


def test_what_is_due_again_is_not_erased_at_the_last_moment(bench: Bench) -> None:
    first = asked(bench, version(10, 1))
    assert bench.deliver(first) == 0
    assert bench.deliver(asked(bench, version(20, 2))) == 0
    bench.execute("UPDATE jobs.job SET finished_at = finished_at - interval '91 days'")

    asked(bench, version(10, 3))

    assert bench.value(
        "SELECT finished_at > now() - interval '1 day' FROM jobs.job WHERE id = %s", first
    ), "an erasure that has looked before looks at the row again"


def test_a_change_that_is_taken_back_is_delivered_again(bench: Bench) -> None:
    first, second = asked(bench, version(10, 1)), asked(bench, version(20, 2))
    assert bench.deliver(first) == 0
    assert bench.deliver(second) == 0

    for _ in range(2):
        # The second time as SQS hands a message out twice.
        assert asked(bench, version(10, 3)) == first
        assert bench.deliver(first) == 0

    assert bench.units() == 10
    assert len(bench.backend.received) == 2, "the first was withheld, as the second was known"
    assert bench.ended(first) == "DELIVERED SUCCEEDED"


def test_a_request_that_is_only_repeated_is_not_delivered_twice(bench: Bench) -> None:
    job_id = asked(bench, version(10, 1))
    assert bench.deliver(job_id) == 0
    asked(bench, version(10, 2))
    assert bench.deliver(job_id) == 0

    assert len(bench.backend.received) == 1


def test_a_request_that_is_repeated_before_another_was_asked_for_stays_superseded(
    bench: Bench,
) -> None:
    first = asked(bench, version(10, 1))
    assert bench.deliver(first) == 0
    second = asked(bench, version(20, 3))
    assert bench.deliver(second) == 0

    asked(bench, version(10, 2))

    assert bench.deliver(first) == 0
    assert len(bench.backend.received) == 2
    assert bench.units() == 20


def test_what_was_erased_is_computed_and_delivered_again_when_it_is_asked_for_again(
    bench: Bench,
) -> None:
    first = asked(bench, version(10, 1))
    assert bench.deliver(first) == 0
    second = asked(bench, version(20, 2))
    assert bench.deliver(second) == 0
    bench.execute("UPDATE jobs.job SET finished_at = finished_at - interval '91 days'")
    assert erase_personal_data(connector(bench.url), retention_days=90) == 2

    again = asked(bench, version(10, 3))

    assert again == first
    assert bench.deliver(first) == 0
    assert bench.units() == 10
    assert bench.value("SELECT count(*) FROM jobs.assignment WHERE job_id = %s", first) == 2


def test_a_sender_whose_time_is_over_does_not_record_what_is_due_again(bench: Bench) -> None:
    first = asked(bench, version(10, 1))
    slow = claimed_of(bench, first)
    bench.execute("UPDATE jobs.delivery SET claimed_until = now() - interval '1 second'")
    second = asked(bench, version(20, 2))
    assert bench.deliver(second) == 0

    asked(bench, version(10, 3))

    assert bench.outbox.delivered(slow, {}) is False
    assert bench.deliver(first) == 0
    assert bench.units() == 10


def waits_for_a_lock(bench: Bench, started: Future[object]) -> None:
    """Return as soon as somebody waits for a lock, or nobody does and the end has come."""
    ends_at = time.monotonic() + 20
    while not started.done() and not bench.value(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ):
        assert time.monotonic() < ends_at, "neither"
        time.sleep(0.05)


def test_a_result_that_is_asked_for_again_at_this_moment_is_not_withheld(bench: Bench) -> None:
    first = asked(bench, version(10, 1))
    asked(bench, version(20, 2))
    claimed = claimed_of(bench, first)
    with ThreadPoolExecutor() as pool, psycopg.connect(bench.url) as other:
        bench.ledger.claim(other, version(10, 3), worker_id="b", lease_s=60, pinned={})
        checked: Future[object] = pool.submit(bench.outbox.check, claimed)
        waits_for_a_lock(bench, checked)
        other.commit()
        with pytest.raises(WorkerError) as raised:
            checked.result(timeout=20)

    assert raised.value.code == "delivery_has_to_wait"
    bench.outbox.check(claimed)


def test_a_request_that_is_registered_at_this_moment_is_seen_by_one_that_is_made_again(
    bench: Bench,
) -> None:
    first = asked(bench, version(10, 1))
    assert bench.deliver(first) == 0
    with ThreadPoolExecutor() as pool, psycopg.connect(bench.url) as other:
        bench.ledger.claim(other, version(20, 2), worker_id="b", lease_s=60, pinned={})
        again: Future[object] = pool.submit(asked, bench, version(10, 3))
        waits_for_a_lock(bench, again)
        other.commit()
        again.result(timeout=20)

    assert bench.value(PENDING) == 1


def failed_result(bench: LedgerBench) -> ClaimedDelivery:
    """News of a failure that a worker has begun to send."""
    news = NewDelivery("failed-result", result_of(1).kind, patch_of(1).as_json())
    claim = bench.claimed()
    bench.ledger.fail(claim, BROKEN, (news,))
    claimed = claimed_of(bench, claim.job.id)
    bench.outbox.check(claimed)
    return claimed


def test_news_of_a_failure_is_not_tried_again_once_its_job_is_open(bench: Bench) -> None:
    news = failed_result(bench)
    bench.claimed(new_job(message_id="message-2"))

    with pytest.raises(TransientError) as raised:
        bench.outbox.check(news)

    assert raised.value.code == "delivery_claim_over"


def test_a_result_waits_for_the_end_of_a_try_to_tell_of_the_failure(bench: Bench) -> None:
    news = failed_result(bench)
    bench.ledger.succeed(bench.claimed(new_job(message_id="message-2")), {}, (result_of(2),))
    result = claimed_of(bench, news.delivery.job_id)

    with pytest.raises(TransientError) as raised:
        bench.outbox.check(result)
    assert raised.value.code == "delivery_has_to_wait"
    bench.outbox.postponed(news, raised.value, 60)

    bench.outbox.check(result)


def test_a_delivery_that_another_worker_has_claimed_is_not_sent(bench: Bench) -> None:
    claimed = claimed_of(bench, asked(bench, version(10, 1)))
    bench.execute("UPDATE jobs.delivery SET claimed_by = NULL")
    assert bench.value(CLAIM_FOR_AN_HOUR) == 1

    with pytest.raises(TransientError) as raised:
        bench.outbox.check(claimed)

    assert raised.value.code == "delivery_claim_over"


def test_nothing_is_sent_while_the_database_does_not_say_that_it_may_be(bench: Bench) -> None:
    job_id = asked(bench, version(10, 1))
    server = conninfo_to_dict(bench.url)
    with TcpProxy(str(server["host"]), int(str(server["port"]))) as proxy:
        there = make_conninfo(bench.url, host="127.0.0.1", port=proxy.port)
        with Database(database_settings(there, connect_timeout_s=1)) as database:
            outbox = Outbox(database.connection, claim_s=60)
            courier = bench.courier_with(outbox, on_progress=lambda _: proxy.cut())
            with pytest.raises(DependencyDown):
                courier.deliver_job(job_id, lambda: None)

    assert bench.backend.received == []
    assert bench.value(PENDING) == 1


def test_a_superseded_result_is_withheld_once(bench: Bench) -> None:
    claimed = claimed_of(bench, asked(bench, version(10, 1)))
    asked(bench, version(20, 2))

    with pytest.raises(Superseded):
        bench.outbox.check(claimed)
    with pytest.raises(TransientError):
        bench.outbox.check(claimed)


references = (f"NRF-{number:06}" for number in itertools.count(100))


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, int, bool]]]:
    """Versions in the order of their publication, and how their messages arrive.

    An arrival is the place of a message, how many answers of the backend fail then, and whether a
    worker lives long enough to deliver what it brings.
    """
    published = draw(st.lists(st.integers(1, 3), min_size=1, max_size=5))
    places = range(len(published))
    order = draw(st.permutations([*places, *draw(st.lists(st.sampled_from(places), max_size=3))]))
    arrivals = [(one, draw(st.sampled_from((0, 0, 1, 4))), draw(st.booleans())) for one in order]
    return published, arrivals


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=stories())
def test_whatever_arrives_in_whatever_order_the_latest_request_is_at_the_backend_in_the_end(
    bench: Bench, story: tuple[list[int], list[tuple[int, int, bool]]]
) -> None:
    published, arrivals = story
    reference = next(references)
    for place, failures, delivers in arrivals:
        job_id = asked(bench, version(published[place], place, reference=reference))
        if delivers:
            bench.backend.misbehave(*[failing(503)] * failures)
            bench.deliver(job_id)
    bench.sweep()

    assert bench.units(reference) == published[-1]
