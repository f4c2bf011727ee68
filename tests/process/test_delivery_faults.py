"""What the backend and Notify answer, and what the real worker makes of it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.fakes.canary import http_canary
from tests.fakes.environment import COMPLETED, FAILED, PAUSE, SWEEPS, Environment
from tests.fakes.ledger import CLAIM_FOR_AN_HOUR, END_CLAIM
from tests.fakes.sqs_server import SqsServer
from tests.fakes.submissions import put_site, quote, request
from tests.fakes.worker_process import WorkerProcess, is_stopped
from worker.demo.fake_service import Misbehaviour, failing
from worker.demo.notify import DAILY_LIMIT_REACHED, error
from worker.settings import MAX_VISIBILITY_S


@contextmanager
def worker_stopped_before(environment: Environment, seam: str) -> Iterator[WorkerProcess]:
    """It has claimed the delivery and is stopped; its claim lasts for seconds only."""
    with environment.faulty_worker("stop-at", seam, **SWEEPS) as worker:
        worker.wait_until(lambda: is_stopped(worker.pid), f"stop: {seam}")
        yield worker


def test_a_worker_that_is_paused_before_an_email_does_not_send_it_again(
    environment: Environment,
) -> None:
    put_site(environment)
    environment.send(request())
    with (
        worker_stopped_before(environment, "before-email") as paused,
        environment.worker(**SWEEPS) as other,
    ):
        other.wait_for("delivery.made", kind="notify.email")
        paused.signal(signal.SIGCONT)
        paused.wait_for("delivery.postponed", error_code="delivery_claim_over")
        paused.wait_until(lambda: environment.messages() == 0, "an empty queue")

    assert [one.template_id for one in environment.notify.sent] == [COMPLETED]
    assert paused.events("delivery.made", kind="notify.email") == []
    assert environment.value("SELECT count(*) FROM jobs.delivery WHERE status <> 'DELIVERED'") == 0


def test_an_email_that_nobody_else_sent_is_sent_by_the_worker_that_was_paused(
    environment: Environment,
) -> None:
    put_site(environment)
    environment.send(request())
    with worker_stopped_before(environment, "before-email") as paused:
        paused.wait_until(
            lambda: environment.value("SELECT 1 FROM jobs.delivery WHERE claimed_until < now()"),
            "the end of its claim",
        )
        paused.signal(signal.SIGCONT)
        paused.wait_for("delivery.postponed", error_code="delivery_claim_over")
        paused.wait_until(lambda: environment.messages() == 0, "an empty queue")

    assert [one.template_id for one in environment.notify.sent] == [COMPLETED]
    looked = [one.method for one in environment.notify.received]
    assert looked == ["GET", "POST"], "it cannot know that nobody has sent it"


def test_a_worker_that_is_paused_before_a_patch_does_not_undo_a_newer_result(
    environment: Environment,
) -> None:
    environment.send(quote(housingUnits=10))
    with (
        worker_stopped_before(environment, "before-backend") as paused,
        environment.worker(**SWEEPS) as other,
    ):
        other.wait_for("delivery.made", kind="backend.quote_patch")
        environment.send(quote(housingUnits=20))
        newest = other.wait_until(
            lambda: (
                environment.backend.quotes["NRF-000001"].changes == 2
                and environment.backend.quotes["NRF-000001"].body
            ),
            "the newer result",
        )
        paused.signal(signal.SIGCONT)
        paused.wait_for("delivery.postponed", error_code="delivery_claim_over")
        paused.wait_until(lambda: environment.messages() == 0, "an empty queue")

    assert environment.backend.quotes["NRF-000001"].body == newest
    assert len(environment.backend.received) == 2


def test_a_delivery_whose_claim_ended_while_it_was_sent_is_not_told_as_made(
    environment: Environment,
) -> None:
    put_site(environment)
    environment.send(request())
    with (
        worker_stopped_before(environment, "email-sent") as paused,
        environment.worker(**SWEEPS) as other,
    ):
        made = other.wait_for("delivery.made", kind="notify.email")
        paused.signal(signal.SIGCONT)
        paused.wait_for("delivery.fenced", kind="notify.email")

    assert made["outcome"] == "already_delivered"
    assert len(environment.notify.sent) == 1
    assert paused.events("delivery.made", kind="notify.email") == []


def test_a_result_that_the_backend_has_already_is_delivered(environment: Environment) -> None:
    put_site(environment)
    environment.backend.misbehave(Misbehaviour(failing(503).reply, carry_out=True))
    environment.send(request())
    with environment.worker() as worker:
        made = worker.wait_for("delivery.made", kind="backend.job_result")
        worker.wait_for("message.deleted")

    assert made["outcome"] == "already_delivered", "the backend answered 409"
    assert environment.backend.results["job-1"].changes == 1
    assert [one.template_id for one in environment.notify.sent] == [COMPLETED]


@pytest.mark.parametrize("status", [400, 404])
def test_a_result_that_the_backend_refuses_fails_the_job(
    environment: Environment, status: int
) -> None:
    put_site(environment)
    environment.backend.misbehave_always(failing(status))
    environment.send(request())
    with environment.worker() as worker:
        worker.wait_until(lambda: environment.dead_letters() == 1, "dead letter")

    assert worker.wait_for("delivery.rejected")
    assert environment.value("SELECT status::text FROM jobs.job") == "FAILED"
    assert environment.value("SELECT count(*) FROM jobs.result") == 1
    assert [one.template_id for one in environment.notify.sent] == [FAILED]


def test_a_backend_that_redirects_is_not_followed_and_gets_nothing_more(
    environment: Environment,
) -> None:
    with http_canary(b"{}") as elsewhere:
        environment.backend.misbehave_always(failing(302, location=f"{elsewhere.url}/quotes"))
        environment.send(quote())
        with environment.worker(**PAUSE) as worker:
            paused = worker.wait_for("polling.paused")
            environment.backend.misbehave_always(None)
            worker.wait_for("polling.resumed")
            worker.wait_until(lambda: environment.backend.quotes, "the result")

    assert paused["error_code"] == "backend_redirected"
    assert elsewhere.requests == []
    assert environment.backend.quotes["NRF-000001"].changes == 1


def test_polling_stays_paused_while_another_worker_asks_with_the_refused_delivery(
    environment: Environment,
) -> None:
    environment.backend.misbehave_always(failing(401))
    environment.send(quote())
    with environment.worker(**PAUSE) as worker:
        worker.wait_for("polling.paused")
        # As another worker's sweep does, and would find it refused once more.
        worker.wait_until(lambda: environment.value(CLAIM_FOR_AN_HOUR), "a delivery to claim")
        environment.send(quote("NRF-000002"))
        asked = len(environment.backend.received)
        time.sleep(4)
        assert worker.events("polling.resumed") == []
        assert len(worker.events("message.received")) == 1, "no receive is spent on a guess"
        assert len(environment.backend.received) == asked
        environment.backend.misbehave_always(None)
        assert environment.value(END_CLAIM) == 1
        worker.wait_for("polling.resumed")
        worker.wait_until(lambda: len(environment.backend.quotes) == 2, "both results")


@pytest.mark.parametrize("outage", [failing(503), Misbehaviour(drop=True)])
def test_a_backend_that_goes_away_during_a_pause_does_not_end_the_pause(
    environment: Environment, outage: Misbehaviour
) -> None:
    environment.backend.misbehave_always(failing(401))
    environment.send(quote())
    # Nothing that has to wait is due again within this test: who asks does not wait for that.
    with environment.worker(**PAUSE, WORKER_BACKOFF_BASE_SECONDS="600") as worker:
        worker.wait_for("polling.paused")
        environment.backend.misbehave_always(outage)
        environment.send(quote("NRF-000002"))
        worker.wait_until(
            lambda: (
                len(worker.events("delivery.postponed")) == 2 or worker.events("polling.resumed")
            ),
            "two probes without an answer",
        )
        assert worker.events("polling.resumed") == []
        assert len(worker.events("message.received")) == 1, "no receive is spent on a guess"
        environment.backend.misbehave_always(None)
        worker.wait_for("polling.resumed", error_code="backend_refused_us")
        worker.wait_until(lambda: len(environment.backend.quotes) == 2, "both results")


def test_a_daily_limit_of_emails_defers_the_email_and_nothing_else(
    on_double: Environment, double: SqsServer
) -> None:
    put_site(on_double)
    on_double.notify.misbehave_always(DAILY_LIMIT_REACHED)
    with on_double.worker(**PAUSE) as worker:
        worker.wait_for("worker.polling")
        message_id = on_double.send(request())
        postponed = worker.wait_for("delivery.postponed", kind="notify.email")
        released = worker.wait_for("message.released", message_id=message_id)
        with double.broker.queue("jobs") as queue:
            stored = queue.find(message_id)
            assert stored is not None
            hidden_s = stored.changes_at - double.clock()
        on_double.send(quote())
        worker.wait_for("message.deleted")
        on_double.notify.misbehave_always(None)
        # Midnight, which the test does not wait for.
        due = (
            "UPDATE jobs.delivery SET next_attempt_at = now() WHERE status = 'PENDING' RETURNING 1"
        )
        assert on_double.value(due) == 1
        worker.wait_until(lambda: on_double.notify.sent, "the e-mail")

    wait_s, delay_s = postponed["wait_s"], released["delay_s"]
    assert isinstance(wait_s, int)
    assert isinstance(delay_s, int)
    assert 60 <= wait_s <= 24 * 3600 + 60
    # SQS hides a message for twelve hours at most, and midnight may be further off.
    assert min(wait_s, MAX_VISIBILITY_S) - 60 <= hidden_s <= delay_s
    assert postponed["error_code"] == "notify_daily_limit"
    assert len(worker.events("job.claimed", job_id="job-1")) == 1
    assert on_double.backend.results["job-1"].changes == 1
    assert [one.template_id for one in on_double.notify.sent] == [COMPLETED]


def test_a_key_that_notify_refuses_pauses_polling_and_the_email_is_sent_once(
    environment: Environment,
) -> None:
    put_site(environment)
    environment.notify.misbehave_always(failing(403, error(403, "AuthError", "no").body))
    environment.send(request())
    with environment.worker(**PAUSE) as worker:
        paused = worker.wait_for("polling.paused")
        environment.send(quote())
        refused = len(environment.notify.received)
        worker.wait_until(lambda: len(environment.notify.received) >= refused + 2, "two probes")
        assert len(worker.events("message.received")) == 1, "no receive is spent while refused"
        environment.notify.misbehave_always(None)
        worker.wait_for("polling.resumed")
        worker.wait_until(lambda: environment.messages() == 0, "an empty queue")

    assert paused["error_code"] == "notify_refused_us"
    assert [one.template_id for one in environment.notify.sent] == [COMPLETED]
    assert environment.backend.results["job-1"].changes == 1
    assert environment.backend.quotes["NRF-000001"].changes == 1


def test_a_rate_limit_of_notify_is_waited_out(environment: Environment) -> None:
    put_site(environment)
    limit = error(429, "RateLimitError", "Exceeded rate limit", {"retry-after": "2"})
    environment.notify.misbehave(Misbehaviour(limit))
    environment.send(request())
    with environment.worker(**PAUSE) as worker:
        postponed = worker.wait_for("delivery.postponed")
        worker.wait_for("message.deleted")

    assert (postponed["error_code"], postponed["wait_s"]) == ("notify_rate_limited", 2)
    assert len(environment.notify.sent) == 1
    assert len(environment.backend.received) == 1


def test_a_batch_behind_a_refused_key_is_not_handed_to_the_next_worker_at_once(
    environment: Environment,
) -> None:
    environment.backend.misbehave_always(failing(401))
    for number in range(1, 4):
        environment.send(quote(f"NRF-00000{number}"))
    with environment.worker(SQS_MAX_MESSAGES="10") as worker:
        worker.wait_for("polling.paused")
        worker.wait_until(lambda: len(worker.events("message.released")) == 3, "a whole batch")

    assert len(worker.events("message.received")) == 1
    unstarted = worker.events("message.released")[1:]
    assert [line["delay_s"] for line in unstarted] == [30, 30]
