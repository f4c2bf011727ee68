"""A message that uses up its receives without a verdict says so before anybody looks for it."""

from __future__ import annotations

import signal

from tests.fakes.blocked_queries import computing_blocked
from tests.fakes.commands import command
from tests.fakes.embedded_metrics import figures
from tests.fakes.environment import Environment
from tests.fakes.submissions import put_site, request


def test_a_job_that_is_handed_back_on_its_last_receive_is_told_as_stranded(
    environment: Environment,
) -> None:
    put_site(environment)
    message_id = environment.send(request(), correlation_id="trace-stranded")
    for _ in range(2):
        # Two receives by somebody who gave up: the worker's is the last one that SQS allows.
        environment.aws.sqs.receive_message(
            QueueUrl=environment.queue.url, WaitTimeSeconds=5, VisibilityTimeout=0
        )
    with (
        computing_blocked(environment),
        environment.worker(WORKER_GRACEFUL_SHUTDOWN_TIMEOUT="2", ENABLE_METRICS="true") as worker,
    ):
        assert worker.wait_for("message.received")["receive_count"] == 3
        worker.wait_for("job.claimed")
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0

    (stranded,) = worker.events("message.stranded")
    assert (stranded["message_id"], stranded["job_id"]) == (message_id, "job-1")
    assert [one.value for one in figures(worker.lines) if one.name == "MessagesStranded"] == [1]

    with environment.worker() as worker:
        worker.wait_until(lambda: environment.dead_letters() == 1, "dead letter")
        assert "1 redriven" in command(environment, "dlq", "redrive", "--stranded")
        worker.wait_for("message.deleted", correlation_id="trace-stranded")
    assert worker.events("message.stranded") == []
    assert len(environment.backend.received) == 1
