"""Operators' commands against the real worker, real queues and a real kill."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.fakes.blocked_queries import computing_blocked
from tests.fakes.commands import command, start
from tests.fakes.environment import FAILED, SWEEPS, Environment
from tests.fakes.ledger import LedgerBench, new_job
from tests.fakes.sqs_proxy import SqsProxy
from tests.fakes.sqs_server import INTERNAL_ERROR, INVALID_HANDLE, SqsServer
from tests.fakes.submissions import put_broken_site, put_site, request

PATIENCE_S = 30.0


def fail_jobs(environment: Environment, *job_ids: str) -> dict[str, str]:
    """Jobs that have failed for their boundary, and the message id of each one's dead letter."""
    sent: dict[str, str] = {}
    for job_id in job_ids:
        put_broken_site(environment, job_id)
        sent[job_id] = environment.send(request(job_id), correlation_id=f"trace-{job_id}")
    with environment.worker() as worker:
        worker.wait_until(lambda: environment.dead_letters() == len(sent), "dead letters")
        # Its last poll is over then: to the poll of a worker that was killed the queue would hand
        # what a command sends next.
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
    return sent


def wait_until(look: Callable[[], object], what: str) -> None:
    ends_at = time.monotonic() + PATIENCE_S
    while not look():
        if time.monotonic() > ends_at:
            pytest.fail(f"no {what}")
        time.sleep(0.05)


@contextmanager
def held_before_reopening(environment: Environment, key: str) -> Iterator[Callable[[], None]]:
    """The job's row is locked; yields a function that waits until somebody waits for it."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with psycopg.connect(environment.database_url) as connection:
        connection.execute("SELECT FROM jobs.job WHERE key = %s FOR UPDATE", (key,))
        yield lambda: wait_until(lambda: environment.value(waiting) == 1, "redrive at the ledger")


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of a command that may fail."""
    said, complaint = process.communicate(timeout=60)
    return process.returncode, said, complaint


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGKILL


def test_a_redrive_killed_at_any_step_loses_nothing_and_its_job_runs_once(
    environment: Environment,
) -> None:
    seams = {
        "before-send": ("SendMessage", False),
        "after-send": ("SendMessage", True),
        "before-delete": ("DeleteMessage", False),
        "after-delete": ("DeleteMessage", True),
    }
    letters = fail_jobs(environment, "before-reopen", *seams)
    told = len(environment.backend.received)
    for job_id in letters:
        put_site(environment, f"{job_id}/site.zip")

    with SqsProxy(environment.aws.endpoint_url) as proxy:
        through_proxy = {
            "AWS_ENDPOINT_URL": proxy.url,
            "SQS_QUEUE_URL": environment.queue.url.replace(environment.aws.endpoint_url, proxy.url),
            "SQS_DLQ_URL": environment.queue.dlq_url.replace(
                environment.aws.endpoint_url, proxy.url
            ),
        }

        def show_again() -> None:
            # As the end of their visibility timeout would.
            while proxy.receipts:
                environment.aws.sqs.change_message_visibility_batch(
                    QueueUrl=environment.queue.dlq_url,
                    Entries=[
                        {"Id": "0", "ReceiptHandle": proxy.receipts.pop(), "VisibilityTimeout": 0}
                    ],
                )

        def redrive(job_id: str) -> subprocess.Popen[str]:
            return start(environment, "dlq", "redrive", letters[job_id], **through_proxy)

        with held_before_reopening(environment, "before-reopen") as reached:
            process = redrive("before-reopen")
            reached()
            kill(process)
        show_again()
        for job_id, (operation, carried_out) in seams.items():
            proxy.stop_at(operation, carried_out=carried_out)
            process = redrive(job_id)
            assert proxy.reached.wait(PATIENCE_S), process.communicate(timeout=5)
            kill(process)
            proxy.go_on()
            show_again()

    # Two that were stopped early are dead letters, two stand on both queues, one is back.
    assert (environment.dead_letters(), environment.messages()) == (4, 3)
    states = {
        job_id: environment.value("SELECT status::text FROM jobs.job WHERE key = %s", job_id)
        for job_id in letters
    }
    recorded = {"before-delete", "after-delete"}
    assert states == {job_id: "PENDING" if job_id in recorded else "FAILED" for job_id in letters}

    assert "4 redriven" in command(environment, "dlq", "redrive", "--all")
    with environment.worker() as worker:
        worker.wait_until(
            lambda: environment.messages() == 0 and environment.dead_letters() == 0, "empty queues"
        )

    claimed = sorted(str(line["job_id"]) for line in worker.events("job.claimed"))
    assert claimed == sorted(letters), "each job ran once"
    assert environment.value("SELECT count(*) FROM jobs.result") == len(letters)
    posted = sorted(one.path for one in environment.backend.received[told:])
    assert posted == sorted(f"/jobs/{job_id}/result" for job_id in letters)
    correlations = {
        line["correlation_id"] for line in worker.events("job.succeeded", job_id="after-send")
    }
    assert correlations == {"trace-after-send"}


def test_dead_letters_are_listed_shown_without_personal_data_and_dropped(
    environment: Environment,
) -> None:
    (message_id,) = fail_jobs(environment, "job-1").values()
    stranded = environment.aws.sqs.send_message(
        QueueUrl=environment.queue.dlq_url,
        MessageBody='{"reference": "NRF-1", "boundaryGeojson": {"boundaryGeometryOriginal":'
        ' {"type": "Polygon", "coordinates": [[[620000.5, 310000.5], [620100.5, 310000.5]]]}}}',
    )["MessageId"]
    unreadable = environment.aws.sqs.send_message(
        QueueUrl=environment.queue.dlq_url,
        MessageBody='{"note": ":smile:"',
        MessageAttributes={
            "CorrelationId": {"DataType": "String", "StringValue": "trace:key:1"},
            "developer_email": {"DataType": "String", "StringValue": "john at example"},
            "Origin": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
        },
    )["MessageId"]

    listed = command(environment, "dlq", "list").splitlines()
    first = command(environment, "dlq", "list", "--limit", "1").splitlines()
    shown = command(environment, "dlq", "show", "job-1")
    quote = command(environment, "dlq", "show", stranded)
    text = command(environment, "dlq", "show", unreadable).splitlines()
    revealed = command(environment, "dlq", "show", message_id, "--reveal")
    dropped = command(environment, "dlq", "drop", message_id, "--reason", "sent by mistake")

    place = next(number for number, line in enumerate(listed) if line.startswith(message_id))
    about = "\n".join(listed[place : place + 3])
    for part in ("impact-assessment", "FAILED", "job-1", "trace-job-1", "geometry_invalid: "):
        assert part in about
    assert any(line.startswith(stranded) and "stranded: unknown" in line for line in listed)
    assert listed[-1] == "3 dead letters, 2 stranded"
    assert first[-1].startswith("the first 1 of about 3 dead letters, ")
    for line in (
        "correlation id trace:key:1",
        "attribute CorrelationId  String  trace:key:1",
        "attribute Origin  Binary  2 bytes",
        "attribute developer_email  String  [e-mail]",
        '{"note": ":smile:"',
    ):
        assert line in text
    assert "attribute CorrelationId  String  trace-job-1" in shown
    assert '"developer_email": "[e-mail]"' in shown
    assert "error geometry_invalid: " in shown
    assert "self-intersection at [number], [number]" in about
    assert "self-intersection at [number], [number]" in shown
    assert "self-intersection at 455050, 262050" in revealed
    assert "developer@example.com" not in shown
    assert '"coordinates": "[4 numbers]"' in quote
    assert "unknown to the ledger" in quote
    assert "developer@example.com" in revealed
    assert message_id in dropped
    assert environment.dead_letters() == 2
    assert "sent by mistake" in command(environment, "jobs", "show", "job-1")


def test_a_redrive_that_a_failed_send_has_ended_takes_all_letters_when_it_is_run_again(
    on_double: Environment, double: SqsServer
) -> None:
    letters = fail_jobs(on_double, "job-1", "job-2", "job-3")
    again = ("dlq", "redrive", "--all", "--code", "geometry_invalid")

    double.misbehave("SendMessage", INTERNAL_ERROR)
    code, said, complaint = ended(start(on_double, *again))
    assert (code, said) == (69, "")
    assert complaint.startswith("queue_unavailable: ")
    assert any(f"Dead letter {letter} stays" in complaint for letter in letters.values())
    assert "3 redriven" in command(on_double, *again)
    assert (on_double.dead_letters(), on_double.messages()) == (0, 3)


def test_what_a_redrive_or_a_drop_has_done_is_told_although_it_cannot_go_on(
    on_double: Environment, double: SqsServer
) -> None:
    letters = fail_jobs(on_double, "job-1")
    (first,) = letters.values()
    twin = on_double.send(request("job-1"))
    with on_double.worker() as worker:
        worker.wait_until(lambda: on_double.dead_letters() == 2, "dead letters")

    double.misbehave("DeleteMessage", INVALID_HANDLE)
    dropped = command(on_double, "dlq", "drop", "job-1", "--reason", "sent by mistake")
    double.misbehave("DeleteMessage", *[INTERNAL_ERROR] * 3)
    code, _, complaint = ended(start(on_double, "dlq", "redrive", "job-1"))

    (kept,) = (one for one in (first, twin) if f"not dropped {one}: " in dropped)
    (gone,) = {first, twin} - {kept}
    assert f"dropped {gone}  job job-1" in dropped
    assert code == 69
    assert f"Dead letter {kept} is back as " in complaint
    assert (on_double.dead_letters(), on_double.messages()) == (1, 1)


def test_letters_that_sqs_does_not_give_back_are_told_and_retried_in_one_look(
    on_double: Environment, double: SqsServer
) -> None:
    fail_jobs(on_double, "job-1", "job-2")
    double.operations.failing_entries = frozenset({0})

    code, said, complaint = ended(start(on_double, "jobs", "retry", "job-1"))

    assert (code, "job-1 is PENDING" in said, "redriven" in said) == (0, True, True)
    (line,) = [json.loads(one) for one in complaint.splitlines()]
    assert (line["message"], line["letters"]) == ("dlq.not_given_back", 1)


def test_what_a_message_holds_forges_no_line_and_moves_no_cursor(environment: Environment) -> None:
    forged = "\x1b[2J\nffffffff-0000  1m 0s  impact-assessment  receives 1  stranded: forged"
    told: dict[str, object] = {"jobType": "water.licence-updates", "runDate": "2026-06-15"}
    message_id = environment.send({**told, "scheduledTime": "2026-06-15T07:15:00Z", forged: 1})
    with environment.worker() as worker:
        worker.wait_until(lambda: environment.dead_letters() == 1, "dead letter")
    marked = environment.aws.sqs.send_message(
        QueueUrl=environment.queue.dlq_url,
        MessageBody="{}",
        MessageAttributes={"Origin": {"DataType": "String", "StringValue": f"x\n{forged[5:]}"}},
    )["MessageId"]

    for arguments in (
        ("dlq", "list"),
        ("dlq", "show", message_id),
        ("dlq", "show", message_id, "--reveal"),
        ("dlq", "show", marked),
        ("jobs", "show", message_id),
    ):
        said = command(environment, *arguments)
        assert "\x1b" not in said
        assert not [line for line in said.splitlines() if line.startswith("ffffffff-0000")]
    refused = worker.wait_for("message.invalid")
    assert "forged" not in str(refused)
    assert [sent for sent in environment.notify.sent if "forged" in str(sent.personalisation)] == []


def test_a_failed_job_is_retried_once_its_cause_is_mended(environment: Environment) -> None:
    fail_jobs(environment, "job-1")
    put_site(environment)

    said = command(environment, "jobs", "retry", "job-1")
    with environment.worker() as worker:
        worker.wait_for("message.deleted")

    assert "job-1 is PENDING" in said
    assert "redriven" in said
    assert environment.value("SELECT status::text FROM jobs.job") == "SUCCEEDED"
    assert (environment.messages(), environment.dead_letters()) == (0, 0)


def test_a_running_job_that_is_cancelled_stops_at_its_next_renewal(
    environment: Environment,
) -> None:
    put_site(environment)
    with (
        computing_blocked(environment),
        environment.worker(WORKER_LEASE_SECONDS="3") as worker,
    ):
        environment.send(request())
        worker.wait_for("job.claimed")
        said = command(environment, "jobs", "cancel", "job-1", "--reason", "withdrawn")
        worker.wait_for("job.cancelled")
        worker.wait_for("message.deleted")
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0

    assert "it was IN_PROGRESS" in said
    assert environment.value("SELECT status::text FROM jobs.job") == "CANCELLED"
    assert environment.value("SELECT outcome FROM jobs.assignment") == "cancelled"
    assert environment.value("SELECT count(*) FROM jobs.result") == 0
    assert environment.backend.received == []
    assert environment.notify.sent == []
    assert environment.messages() == 0


def test_a_job_that_was_cancelled_before_it_started_is_deleted_unrun(
    environment: Environment,
) -> None:
    put_site(environment)
    short = {"WORKER_GRACEFUL_SHUTDOWN_TIMEOUT": "1"}
    with computing_blocked(environment), environment.worker(**short) as worker:
        environment.send(request())
        worker.wait_for("job.claimed")
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0

    command(environment, "jobs", "cancel", "job-1")
    with environment.worker() as worker:
        worker.wait_for("message.deleted")

    assert worker.events("job.claimed") == []
    assert environment.messages() == 0


def test_a_job_whose_worker_and_message_are_gone_times_out_and_its_requester_is_told(
    environment: Environment,
) -> None:
    put_site(environment)
    short = {"WORKER_LEASE_SECONDS": "2", "WORKER_MAX_ATTEMPTS": "1"}
    with computing_blocked(environment), environment.worker(**short) as worker:
        environment.send(request(), correlation_id="trace-gone")
        worker.wait_for("job.claimed")
        worker.signal(signal.SIGKILL)
        worker.wait()
    environment.aws.sqs.purge_queue(QueueUrl=environment.queue.url)
    ledger = LedgerBench(environment.database_url)
    ledger.claimed(new_job("load-1", type="reference.load", message_id="load-1", max_attempts=1))
    ledger.expire_leases()

    # One that does not know what an assessment is has nobody to tell.
    with environment.worker(**SWEEPS, WORKER_JOB_TYPES="reference.load") as stranger:
        assert stranger.wait_for("job.reaped")["job_id"] == "load-1"
        stranger.wait_until(lambda: len(environment.notify.sent) == 1, "notice of the load")
    assert stranger.events("job.reaped", job_id="job-1") == []
    with environment.worker(**SWEEPS) as worker:
        ended = worker.wait_for("job.reaped")
        worker.wait_until(lambda: len(environment.notify.sent) == 2, "notice to support")

    assert (ended["job_id"], ended["status"]) == ("job-1", "TIMED_OUT")
    assert ended["correlation_id"] == "trace-gone"
    (posted,) = environment.backend.received
    body = posted.json()
    assert isinstance(body, dict)
    assert (body["status"], body["error"]["code"]) == ("FAILED", "attempts_exhausted")
    assert environment.notify.sent[1].template_id == FAILED
    assert environment.value("SELECT count(*) FROM jobs.assignment WHERE outcome = 'expired'") == 2
