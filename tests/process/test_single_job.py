"""Jobs without a queue, and daemons that end when nothing is left: with the real command."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import psycopg
import pytest

from tests.fakes.blocked_queries import computing_blocked
from tests.fakes.commands import WITHOUT_SQS, command, finished, job_run, payload, start
from tests.fakes.environment import FAILED, Environment
from tests.fakes.submissions import put_broken_site, put_site, request
from worker.demo.fake_service import Misbehaviour, Reply, failing
from worker.errors import EX_CONFIG, EX_DATAERR, EX_OK, EX_TEMPFAIL


def test_a_job_runs_without_a_queue_and_once_only(environment: Environment, tmp_path: Path) -> None:
    put_site(environment)
    file = tmp_path / "payload.json"
    file.write_text(payload())

    code, lines = finished(job_run(environment, f"@{file}"))

    assert code == EX_OK
    (posted,) = environment.backend.received
    assert posted.headers["x-cdp-request-id"] == "trace-run"
    assert len(environment.notify.sent) == 1
    assert environment.value("SELECT status::text FROM jobs.job") == "SUCCEEDED"
    assert [line["exit_code"] for line in lines if line["message"] == "run.ended"] == [EX_OK]

    again, _ = finished(job_run(environment, payload()))

    assert again == EX_OK
    assert len(environment.backend.received) == 1
    assert len(environment.notify.sent) == 1


def test_a_job_that_fails_for_good_says_so_in_its_exit_code(environment: Environment) -> None:
    put_broken_site(environment, "job-1")

    code, _ = finished(job_run(environment, payload()))

    assert code == EX_DATAERR
    assert environment.value("SELECT error_code FROM jobs.job") == "geometry_invalid"
    assert [email.template_id for email in environment.notify.sent] == [FAILED]


def test_a_payload_that_is_none_is_refused_and_recorded(environment: Environment) -> None:
    code, lines = finished(job_run(environment, '{"jobId": "job-1"}'))

    assert code == EX_DATAERR
    assert "payload_invalid" in {line.get("error_code") for line in lines}
    assert environment.value("SELECT error_code FROM jobs.job") == "payload_invalid"


def test_a_delivery_that_fails_is_tried_again_in_the_same_run(environment: Environment) -> None:
    put_site(environment)
    environment.backend.misbehave(*[Misbehaviour(Reply(503))] * 4)

    code, lines = finished(job_run(environment, payload()))

    assert code == EX_OK
    assert sum(line["message"] == "job.claimed" for line in lines) == 1, "computed once"
    assert environment.messages() == 0
    assert len(environment.notify.sent) == 1


def test_a_delivery_that_has_to_wait_for_an_hour_ends_the_run(environment: Environment) -> None:
    put_site(environment)
    environment.backend.misbehave_always(failing(503, retry_after="3600"))

    code, lines = finished(job_run(environment, payload()))

    assert code == EX_TEMPFAIL
    assert [line["delay_s"] for line in lines if line["message"] == "message.released"] == [3600]

    environment.backend.misbehave_always(None)
    with psycopg.connect(environment.database_url) as connection:
        connection.execute("UPDATE jobs.delivery SET next_attempt_at = now()")
    again, _ = finished(job_run(environment, payload()))

    assert again == EX_OK
    assert len(environment.backend.results) == 1


def test_a_job_that_is_cancelled_is_not_taken_for_a_job_that_is_done(
    environment: Environment,
) -> None:
    put_site(environment)
    with computing_blocked(environment):
        process = job_run(environment, payload(), WORKER_LEASE_SECONDS="3")
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["message"] == "job.claimed":
                break
        command(environment, "jobs", "cancel", "job-1", "--reason", "withdrawn")
        code, _ = finished(process)

    assert code == EX_DATAERR
    assert environment.backend.received == []

    again, _ = finished(job_run(environment, payload()))

    assert again == EX_DATAERR
    assert environment.value("SELECT status::text FROM jobs.job") == "CANCELLED"


def test_a_stopped_run_asks_to_be_started_again(environment: Environment) -> None:
    put_site(environment)
    with computing_blocked(environment):
        process = job_run(environment, payload(), WORKER_GRACEFUL_SHUTDOWN_TIMEOUT="1")
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["message"] == "job.claimed":
                break
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == EX_TEMPFAIL
    assert environment.value("SELECT status::text FROM jobs.job") == "PENDING"

    code, _ = finished(job_run(environment, payload()))

    assert code == EX_OK


def test_an_unknown_type_is_a_matter_of_configuration(environment: Environment) -> None:
    process = start(environment, "job", "run", "unheard-of", **WITHOUT_SQS)

    code, lines = finished(process)

    assert code == EX_CONFIG
    assert "unheard-of" in str(lines[0]["problem"])


@pytest.mark.parametrize(
    "given", ["[1]", "{", "@/does/not/exist.json", '{"jobId": "a", "jobId": "b"}']
)
def test_a_payload_that_cannot_be_read_starts_nothing(environment: Environment, given: str) -> None:
    process = start(environment, "job", "run", "impact-assessment", "--payload", given)

    said, complaint = process.communicate(timeout=60)

    assert process.returncode == EX_DATAERR
    assert said == ""
    assert complaint.startswith("payload_unreadable: ")


def test_a_drain_works_until_the_queue_is_empty(environment: Environment) -> None:
    for job_id in ("job-1", "job-2"):
        put_site(environment, f"{job_id}/site.zip")
        environment.send(request(job_id))

    code, lines = finished(start(environment, "run", "--drain"))

    assert code == EX_OK
    assert environment.messages() == 0
    assert environment.value("SELECT count(*) FROM jobs.job WHERE status = 'SUCCEEDED'") == 2
    stopping = [line for line in lines if line["message"] == "worker.stopping"]
    assert [line["reason"] for line in stopping] == ["idle"]


def test_an_idle_daemon_ends_when_it_was_told_for_how_long(environment: Environment) -> None:
    put_site(environment)
    environment.send(request())

    code, lines = finished(start(environment, "run", "--max-idle-seconds", "1.5"))

    assert code == EX_OK
    events = [line["message"] for line in lines]
    assert events.index("message.deleted") < events.index("worker.stopping")
