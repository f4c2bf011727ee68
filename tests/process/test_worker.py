"""The real worker, from a message on SQS to the result at the backend and off the queue again."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid

import httpx
import pytest

from tests.fakes.blocked_queries import computing_blocked
from tests.fakes.environment import COMPLETED, FAILED, Environment
from tests.fakes.submissions import put_broken_site, put_site, quote, request
from tests.fakes.worker_process import health_of
from worker.demo.fake_service import Misbehaviour, failing


def test_a_shapefile_becomes_a_posted_result_and_an_email_and_leaves_the_queue(
    environment: Environment,
) -> None:
    put_site(environment)
    environment.send(request(), correlation_id="trace-1")

    with environment.worker() as worker:
        worker.wait_for("message.deleted")

    (posted,) = environment.backend.received
    assert (posted.method, posted.path) == ("POST", "/jobs/job-1/result")
    assert posted.headers["x-cdp-request-id"] == "trace-1"
    body = posted.json()
    assert isinstance(body, dict)
    assert body["status"] == "SUCCEEDED"
    (site,) = body["result"]["sites"]
    assert (site["site"], site["dwellings"], site["in_scope"]) == (1, 60, True)
    assert site["dev_area_ha"] == 1.0
    (email,) = environment.notify.sent
    assert (email.to, email.template_id) == ("developer@example.com", COMPLETED)
    assert email.personalisation["development_name"] == "Mill Lane"
    assert environment.messages() == 0
    assert environment.value("SELECT status::text FROM jobs.job") == "SUCCEEDED"
    assert environment.value("SELECT payload->'sites'->0 FROM jobs.result") == site
    pinned = environment.value("SELECT reference_versions FROM jobs.assignment")
    assert isinstance(pinned, dict)
    assert pinned["coefficient_layer"] == 1
    ours = [line for line in worker.lines if line.get("job_id") == "job-1"]
    assert ours
    assert {line.get("correlation_id") for line in ours} == {"trace-1"}
    assert "developer@example.com" not in worker.log()


def test_a_quote_through_sns_becomes_one_patch_and_no_email(environment: Environment) -> None:
    topic = environment.aws.create_topic(f"quotes-{uuid.uuid4().hex[:8]}", environment.queue)
    environment.aws.sns.publish(TopicArn=topic, Message=json.dumps(quote()))

    with environment.worker() as worker:
        worker.wait_for("message.deleted")

    (patched,) = environment.backend.received
    assert (patched.method, patched.path) == ("PATCH", "/quotes/NRF-000001")
    assert patched.headers["x-cdp-request-id"] == "trace-of-the-quote"
    assert environment.backend.quotes["NRF-000001"].changes == 1
    assert environment.notify.sent == []
    assert environment.messages() == 0


def test_a_bad_boundary_is_told_once_and_its_message_reaches_the_dlq(
    environment: Environment,
) -> None:
    put_broken_site(environment, "job-1")
    environment.send(request(), correlation_id="trace-bad")

    with environment.worker() as worker:
        worker.wait_until(lambda: environment.dead_letters() == 1, "dead letter")

    (posted,) = environment.backend.received
    body = posted.json()
    assert isinstance(body, dict)
    assert body["status"] == "FAILED"
    assert body["error"]["code"] == "geometry_invalid"
    (email,) = environment.notify.sent
    assert (email.to, email.template_id) == ("support@example.gov.uk", FAILED)
    assert environment.messages() == 0
    failed = worker.wait_for("job.failed")
    assert failed["error_code"] == "geometry_invalid"
    assert failed["correlation_id"] == "trace-bad"
    # Two further receives only repeat the verdict.
    assert len(worker.events("job.duplicate", correlation_id="trace-bad")) == 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{", "message_not_json"),
        ("[1]", "message_not_object"),
        ('{"a": 1}', "message_unrecognised"),
        ('{"jobType": "unheard-of", "jobId": "1"}', "job_type_unknown"),
        (json.dumps(request(number_of_dwellings=0)), "payload_invalid"),
        (json.dumps(request(job_id="../x")), "payload_invalid"),
        ("[" * 5000 + "]" * 5000, "message_too_deep"),
    ],
)
def test_an_invalid_message_goes_to_the_dlq_with_its_code(
    environment: Environment, body: str, code: str
) -> None:
    message_id = environment.send(body)

    with environment.worker() as worker:
        worker.wait_until(lambda: environment.dead_letters() == 1, "dead letter")

    refused = worker.wait_for("message.invalid")
    assert (refused["error_code"], refused["message_id"]) == (code, message_id)
    assert {line["delay_s"] for line in worker.events("message.released")} == {0}
    assert environment.value("SELECT error_code FROM jobs.job") == code
    assert environment.backend.received == []
    assert len(environment.notify.sent) == 1, "support is told once, not at each receive"


def test_a_message_that_fails_three_times_is_in_the_dlq(environment: Environment) -> None:
    environment.send(request(), correlation_id="trace-missing")

    with environment.worker() as worker:
        worker.wait_until(lambda: environment.dead_letters() == 1, "dead letter")

    retried = worker.events("job.retried", correlation_id="trace-missing")
    assert [line["error_code"] for line in retried] == ["boundary_not_found"] * 2
    failed = worker.wait_for("job.failed", correlation_id="trace-missing")
    assert failed["error_code"] == "boundary_not_found"
    assert environment.value("SELECT attempts FROM jobs.job") == 3
    assert [one.template_id for one in environment.notify.sent] == [FAILED]


def test_a_duplicate_of_a_finished_job_is_deleted_without_a_second_delivery(
    environment: Environment,
) -> None:
    put_site(environment)
    environment.send(request())
    with environment.worker() as worker:
        worker.wait_for("message.deleted")
        environment.send(request())
        worker.wait_for("job.duplicate")
        worker.wait_until(lambda: len(worker.events("message.deleted")) == 2, "second delete")

    assert len(environment.backend.received) == 1
    assert len(environment.notify.sent) == 1
    assert environment.messages() == 0


def test_the_same_job_id_with_another_payload_is_refused_and_alters_nothing(
    environment: Environment,
) -> None:
    put_site(environment)
    environment.send(request())
    with environment.worker() as worker:
        worker.wait_for("message.deleted")
        environment.send(request(number_of_dwellings=61))
        worker.wait_until(lambda: environment.dead_letters() == 1, "dead letter")

    assert worker.events("job.payload_mismatch")
    assert {line["delay_s"] for line in worker.events("message.released")} == {0}
    assert len(environment.backend.received) == 1
    assert environment.value("SELECT status::text FROM jobs.job WHERE key = 'job-1'") == "SUCCEEDED"


def test_a_backend_that_is_down_gets_the_stored_result_later_without_a_second_run(
    environment: Environment,
) -> None:
    environment.backend.misbehave(*[failing(503)] * 5)
    environment.send(quote())

    with environment.worker() as worker:
        worker.wait_for("message.deleted")

    assert len(worker.events("job.claimed")) == 1, "computed once"
    assert worker.events("delivery.postponed")
    assert environment.backend.quotes["NRF-000001"].changes == 1
    assert environment.value("SELECT attempts FROM jobs.job") == 1


def test_a_result_the_backend_rejects_fails_the_job_and_tells_support(
    environment: Environment,
) -> None:
    environment.backend.unknown_quotes.add("NRF-000001")
    environment.send(quote())

    with environment.worker() as worker:
        worker.wait_until(lambda: environment.dead_letters() == 1, "dead letter")

    assert len(environment.backend.received) == 1, "a refusal is not repeated"
    assert environment.value("SELECT status::text FROM jobs.job") == "FAILED"
    assert environment.value("SELECT count(*) FROM jobs.result") == 1
    assert [one.to for one in environment.notify.sent] == ["support@example.gov.uk"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_pauses_polling_until_the_backend_takes_it(
    environment: Environment, status: int
) -> None:
    environment.backend.misbehave_always(failing(status))
    environment.send(quote("NRF-000001"))
    with environment.worker(WORKER_CONFIGURATION_PAUSE_SECONDS="1") as worker:
        worker.wait_for("polling.paused")
        environment.send(quote("NRF-000002"))
        time.sleep(2.5)
        assert len(worker.events("message.received")) == 1, "no receive is spent while refused"

        environment.backend.misbehave_always(None)
        worker.wait_for("polling.resumed")
        worker.wait_until(lambda: len(worker.events("message.deleted")) == 2, "both deleted")

    assert len(worker.events("job.claimed")) == 2
    assert set(environment.backend.quotes) == {"NRF-000001", "NRF-000002"}


def test_a_lost_answer_of_notify_does_not_send_the_email_twice(environment: Environment) -> None:
    put_site(environment)
    environment.notify.misbehave(Misbehaviour(carry_out=True, drop=True))
    environment.send(request())

    with environment.worker() as worker:
        worker.wait_for("message.deleted")

    assert len(environment.notify.sent) == 1
    assert worker.events("delivery.made", delivery="completed", outcome="already_delivered")


def test_a_message_without_an_id_of_its_own_does_not_inherit_the_previous_one(
    environment: Environment,
) -> None:
    put_site(environment)
    environment.send(request(), correlation_id="trace-first")
    with environment.worker() as worker:
        worker.wait_for("message.deleted")
        environment.send("{", correlation_id=None)
        refused = worker.wait_for("message.invalid")

    assert refused["correlation_id"] != "trace-first"


def test_sigterm_when_idle_stops_within_the_wait(environment: Environment) -> None:
    with environment.worker(SQS_WAIT_TIME_SECONDS="2") as worker:
        worker.wait_for("worker.started")
        time.sleep(0.5)
        worker.signal(signal.SIGTERM)
        asked = time.monotonic()
        assert worker.wait() == 0
        assert time.monotonic() - asked < 3.0


def test_sigterm_lets_a_job_that_fits_finish(environment: Environment) -> None:
    put_site(environment)
    with environment.worker() as worker, computing_blocked(environment) as unblock:
        environment.send(request())
        worker.wait_for("job.claimed")
        worker.signal(signal.SIGTERM)
        time.sleep(1.0)
        assert worker.process.poll() is None, "it waits for the job"
        unblock.close()
        assert worker.wait() == 0

    assert environment.messages() == 0
    assert environment.value("SELECT status::text FROM jobs.job") == "SUCCEEDED"


def test_sigterm_hands_back_a_job_that_does_not_fit(environment: Environment) -> None:
    put_site(environment)
    with (
        computing_blocked(environment),
        environment.worker(WORKER_GRACEFUL_SHUTDOWN_TIMEOUT="3") as worker,
    ):
        environment.send(request())
        worker.wait_for("job.claimed")
        worker.signal(signal.SIGTERM)
        asked = time.monotonic()
        assert worker.wait() == 0
        assert time.monotonic() - asked < 3.0
        assert worker.events("message.released", delay_s=0)
        assert environment.value("SELECT status::text FROM jobs.job") == "PENDING"
        assert environment.value("SELECT attempts FROM jobs.job") == 0
    with environment.worker() as worker:
        worker.wait_for("message.deleted")
    assert len(environment.backend.received) == 1


def test_a_second_signal_kills(environment: Environment) -> None:
    put_site(environment)
    with computing_blocked(environment), environment.worker() as worker:
        environment.send(request())
        worker.wait_for("job.claimed")
        worker.signal(signal.SIGTERM)
        time.sleep(0.5)
        worker.signal(signal.SIGTERM)
        assert worker.wait() == -signal.SIGTERM


def test_two_workers_run_one_job_once(environment: Environment) -> None:
    put_site(environment)
    with environment.worker() as first, environment.worker() as second:
        first.wait_for("worker.started")
        second.wait_for("worker.started")
        with computing_blocked(environment):
            environment.send(request())
            environment.send(request())
            first.wait_until(
                lambda: first.events("job.busy") or second.events("job.busy"), "busy worker"
            )
        first.wait_until(
            lambda: first.events("message.deleted") or second.events("message.deleted"),
            "deleted message",
        )

    assert len(first.events("job.claimed") + second.events("job.claimed")) == 1
    assert len(environment.backend.received) == 1
    assert len(environment.notify.sent) == 1
    (busy,) = first.events("job.busy") + second.events("job.busy")
    (released,) = first.events("message.released") + second.events("message.released")
    until_visible, until_free = str(released["delay_s"]), str(busy["lease_remaining_s"])
    assert float(until_visible) > float(until_free), "no receive is spent on a live lease"
    assert environment.messages() == 1
    assert environment.dead_letters() == 0


def test_a_killed_workers_job_is_run_by_the_next_and_delivered_once(
    environment: Environment,
) -> None:
    put_site(environment)
    environment.send(request())
    with (
        computing_blocked(environment),
        environment.worker(WORKER_LEASE_SECONDS="2", SQS_VISIBILITY_TIMEOUT="7") as worker,
    ):
        worker.wait_for("job.claimed")
        worker.signal(signal.SIGKILL)
        worker.wait()

    with environment.worker(WORKER_LEASE_SECONDS="2", SQS_VISIBILITY_TIMEOUT="7") as worker:
        worker.wait_for("message.deleted")

    assert len(environment.backend.received) == 1
    assert len(environment.notify.sent) == 1
    assert environment.value("SELECT count(*) FROM jobs.result") == 1
    assert environment.value("SELECT attempts FROM jobs.job") == 2


def test_a_paused_worker_wakes_up_fenced(environment: Environment) -> None:
    put_site(environment)
    short = {"WORKER_LEASE_SECONDS": "2", "SQS_VISIBILITY_TIMEOUT": "7"}
    with environment.worker(**short) as zombie:
        with computing_blocked(environment):
            environment.send(request())
            zombie.wait_for("job.claimed")
            zombie.signal(signal.SIGSTOP)
        with environment.worker(**short) as owner:
            owner.wait_for("message.deleted")
            zombie.signal(signal.SIGCONT)
            zombie.wait_until(
                lambda: zombie.events("claim.fenced") or zombie.events("lease.lost"), "fence"
            )

    assert len(environment.backend.received) == 1
    assert environment.value("SELECT count(*) FROM jobs.result") == 1


def test_the_keeper_outlives_short_leases_so_that_a_long_job_runs_once(
    environment: Environment,
) -> None:
    put_site(environment)
    short = {"WORKER_LEASE_SECONDS": "1.5", "SQS_VISIBILITY_TIMEOUT": "7"}
    with environment.worker(**short) as worker, environment.worker(**short) as other:
        with computing_blocked(environment):
            environment.send(request())
            time.sleep(9.0)
        worker.wait_until(
            lambda: worker.events("message.deleted") or other.events("message.deleted"), "delete"
        )

    assert len(worker.events("job.claimed") + other.events("job.claimed")) == 1
    assert len(worker.events("message.received") + other.events("message.received")) == 1


def test_health_answers_while_it_runs_and_ends_with_it(environment: Environment) -> None:
    with environment.worker(SQS_WAIT_TIME_SECONDS="1") as worker:
        url = health_of(worker)
        worker.wait_until(lambda: httpx.get(url).status_code == 200, "healthy worker")
        worker.signal(signal.SIGKILL)
        worker.wait()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                httpx.get(url, timeout=1)
            except httpx.TransportError:
                return
            time.sleep(0.1)
    pytest.fail("the health process has outlived the worker")


def test_health_turns_bad_when_the_loop_is_stopped(environment: Environment) -> None:
    with environment.worker(
        HEALTH_POLL_MARGIN_SECONDS="1", HEALTH_IDLE_LIMIT_SECONDS="1"
    ) as worker:
        url = health_of(worker)
        worker.wait_until(lambda: httpx.get(url).status_code == 200, "healthy worker")
        worker.signal(signal.SIGSTOP)
        worker.wait_until(lambda: httpx.get(url).status_code == 503, "unhealthy worker")
        worker.signal(signal.SIGCONT)
        worker.wait_until(lambda: httpx.get(url).status_code == 200, "healthy worker")


def test_a_lost_health_process_ends_the_worker(environment: Environment) -> None:
    with environment.worker() as worker:
        pid = worker.wait_for("health.started")["pid"]
        worker.wait_for("worker.started")
        assert isinstance(pid, int)
        os.kill(pid, signal.SIGKILL)
        assert worker.wait() == 75


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"BACKEND_API_KEY": ""}, 78, "BACKEND_API_KEY is required"),
        ({"SQS_MAX_MESSAGES": "11"}, 78, "SQS_MAX_MESSAGES"),
        ({"WORKER_LEASE_SECONDS": "300"}, 78, "SQS_VISIBILITY_TIMEOUT"),
        ({"DATABASE_URL": "postgresql://127.0.0.1:1/none"}, 69, "database_unavailable"),
        ({"SQS_QUEUE_URL": "http://127.0.0.1:1/0/queue"}, 69, "queue_unavailable"),
    ],
)
def test_a_worker_that_cannot_start_says_why_in_one_line_and_exits(
    environment: Environment, changes: dict[str, str], code: int, said: str
) -> None:
    with environment.worker(**changes) as worker:
        assert worker.wait() == code
    (line,) = worker.events("worker.not_started")
    assert said in json.dumps(line)


def test_a_database_that_is_not_migrated_stops_the_start(
    environment: Environment, empty_database_url: str
) -> None:
    with environment.worker(DATABASE_URL=empty_database_url) as worker:
        assert worker.wait() == 69
    (line,) = worker.events("worker.not_started")
    assert line["error_code"] == "database_behind"


def test_without_reference_data_nothing_is_received(
    environment: Environment, database_url: str
) -> None:
    environment.send(quote())
    with environment.worker(DATABASE_URL=database_url) as worker:
        down = worker.wait_for("dependency.down")
        time.sleep(2)

    assert down["error_code"] == "reference_data_missing"
    assert worker.events("message.received") == []
    assert environment.messages() == 1
