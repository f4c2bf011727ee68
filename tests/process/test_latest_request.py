"""A quote that is published again, changed: its latest request is at the backend in the end."""

from __future__ import annotations

from tests.fakes.commands import command
from tests.fakes.environment import SWEEPS, Environment
from tests.fakes.submissions import put_broken_site, put_site, quote, request
from worker.demo.fake_service import failing

UNSETTLED = "SELECT count(*) FROM jobs.delivery WHERE status = 'PENDING'"


def nitrogen(body: object) -> float:
    """The figure in the body of a PATCH."""
    assert isinstance(body, dict)
    amount: float = body["edps"][0]["impact"]["nitrogenTotal"]["amount"]
    return amount


def sent(environment: Environment) -> list[float]:
    """The figure of each PATCH, whatever the backend answered."""
    patches = (one for one in environment.backend.received if one.method == "PATCH")
    return [nitrogen(one.json()) for one in patches]


def figure(environment: Environment) -> float:
    """What the backend says of the quote at last."""
    return nitrogen(environment.backend.quotes["NRF-000001"].body)


def test_an_older_figure_that_had_to_wait_is_not_sent_over_a_newer_one(
    environment: Environment,
) -> None:
    environment.backend.misbehave(*[failing(503)] * 4)
    environment.send(quote(housingUnits=10))
    with environment.worker(**SWEEPS, WORKER_BACKOFF_BASE_SECONDS="4") as worker:
        worker.wait_for("delivery.postponed")
        environment.send(quote(housingUnits=20))
        worker.wait_for("delivery.made")
        newest = figure(environment)
        worker.wait_for("delivery.superseded")
        worker.wait_until(lambda: environment.messages() == 0, "an empty queue")

    assert figure(environment) == newest
    assert len(sent(environment)) == 5
    assert environment.dead_letters() == 0
    assert environment.value("SELECT count(*) FROM jobs.job WHERE status = 'SUCCEEDED'") == 2


def test_a_change_that_is_taken_back_is_taken_back_at_the_backend(
    environment: Environment,
) -> None:
    with environment.worker(**SWEEPS) as worker:
        for units in (10, 20, 10, 10):
            message_id = environment.send(quote(housingUnits=units))
            worker.wait_for("message.deleted", message_id=message_id)

    first, second, third = sent(environment)
    assert first == third != second
    assert figure(environment) == first
    assert environment.value("SELECT count(*) FROM jobs.assignment") == 2, "computed once each"


def test_an_older_request_that_is_redriven_does_not_undo_a_newer_one(
    environment: Environment,
) -> None:
    environment.backend.unknown_quotes.add("NRF-000001")
    older = environment.send(quote(housingUnits=10))
    with environment.worker(**SWEEPS) as worker:
        worker.wait_until(lambda: environment.dead_letters() == 1, "a dead letter")
        environment.backend.unknown_quotes.clear()
        environment.send(quote(housingUnits=20))
        worker.wait_for("message.deleted")
        newest = figure(environment)
        asked = len(sent(environment))

        command(environment, "dlq", "redrive", older)
        worker.wait_for("delivery.superseded")
        worker.wait_until(lambda: environment.messages() == 0, "an empty queue")

    assert figure(environment) == newest
    assert len(sent(environment)) == asked
    assert environment.dead_letters() == 0


def test_a_failure_is_not_posted_once_its_job_was_opened_again_between_two_tries(
    environment: Environment,
) -> None:
    put_broken_site(environment, "job-1")
    environment.backend.misbehave_always(failing(503))
    environment.send(request())
    with environment.worker(**SWEEPS, BACKEND_RETRY_WAIT_SECONDS="4") as slow:
        slow.wait_until(lambda: environment.backend.received, "a try to tell of the failure")
        put_site(environment)
        command(environment, "jobs", "retry", "job-1")
        environment.backend.misbehave_always(None)
        with environment.worker(**SWEEPS) as other:
            other.wait_until(lambda: environment.backend.results, "the result")
            other.wait_until(lambda: environment.value(UNSETTLED) == 0, "the end of deliveries")
            other.wait_until(lambda: environment.messages() == 0, "an empty queue")

    assert environment.backend.results["job-1"].changes == 1
    body = environment.backend.results["job-1"].body
    assert isinstance(body, dict)
    assert body["status"] == "SUCCEEDED"
    assert slow.events("delivery.postponed", error_code="delivery_claim_over")
