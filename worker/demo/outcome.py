"""What came of the demo's three messages, seen from outside, and what should have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from worker.demo.aws import message_count
from worker.demo.fake_service import Received
from worker.demo.notify import SentEmail
from worker.demo.stack import Stack
from worker.ledger.models import JobStatus
from worker.ledger.queries import JobStory, find_jobs

LogLine = Mapping[str, object]

DEVELOPER = "developer@example.com"
_TRACE = "x-cdp-request-id"


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of the demo; ``correlation_id`` finds everything about it again."""

    correlation_id: str
    what: str
    way: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that can be seen after the worker has stopped; ``stories`` by correlation id."""

    stories: Mapping[str, JobStory]
    requests: tuple[Received, ...]
    emails: tuple[SentEmail, ...]
    dead_letters: tuple[str, ...]
    left_on_queue: int
    log: tuple[LogLine, ...]
    exit_code: int

    def log_of(self, correlation_id: str) -> tuple[LogLine, ...]:
        """The lines about one message, in the order in which they were written."""
        return tuple(line for line in self.log if line.get("correlation_id") == correlation_id)

    def of_method(self, method: str) -> tuple[Received, ...]:
        """The backend's requests with this HTTP method."""
        return tuple(request for request in self.requests if request.method == method)


@dataclass(frozen=True, slots=True)
class Expectation:
    """A promise of the service, and whether the demo saw it kept."""

    sentence: str
    holds: bool


def collect(stack: Stack, sent: tuple[Sent, ...], log: Path, exit_code: int) -> Outcome:
    """Read queue, ledger, backend, Notify and log after the worker has stopped."""
    with psycopg.connect(stack.database_url) as connection:
        found = {one.correlation_id: find_jobs(connection, one.correlation_id) for one in sent}
    dead = stack.aws.sqs.receive_message(QueueUrl=stack.queue.dlq_url, MaxNumberOfMessages=10)
    return Outcome(
        stories={name: stories[0] for name, stories in found.items() if len(stories) == 1},
        requests=tuple(stack.backend.received),
        emails=tuple(stack.notify.sent),
        dead_letters=tuple(message["Body"] for message in dead.get("Messages", [])),
        left_on_queue=message_count(stack.aws.sqs, stack.queue.url),
        log=tuple(_log_lines(log)),
        exit_code=exit_code,
    )


def expectations(
    outcome: Outcome, shapefile: Sent, quote: Sent, broken: Sent
) -> tuple[Expectation, ...]:
    """What a successful demo has shown."""
    status = {name: story.job.status for name, story in outcome.stories.items()}
    posts = outcome.of_method("POST")
    patches = outcome.of_method("PATCH")
    told = [email.to for email in outcome.emails]
    results = [post for post in posts if post.headers.get(_TRACE) == shapefile.correlation_id]
    return (
        Expectation(
            "The shapefile was assessed and its result posted to the backend once",
            status.get(shapefile.correlation_id) == JobStatus.SUCCEEDED and len(results) == 1,
        ),
        Expectation("Its developer got one e-mail", told.count(DEVELOPER) == 1),
        Expectation(
            "The quote was assessed and patched at the backend once",
            status.get(quote.correlation_id) == JobStatus.SUCCEEDED
            and [patch.headers.get(_TRACE) for patch in patches] == [quote.correlation_id],
        ),
        Expectation(
            "The incomplete archive failed for good, and support was told once",
            status.get(broken.correlation_id) == JobStatus.FAILED
            and len(told) - told.count(DEVELOPER) == 1,
        ),
        Expectation(
            "Its message is the only one on the dead-letter queue", _only_dead(outcome, broken)
        ),
        Expectation("No message is left on the queue", outcome.left_on_queue == 0),
        Expectation("The worker stopped on SIGTERM with exit code 0", outcome.exit_code == 0),
    )


def _only_dead(outcome: Outcome, sent: Sent) -> bool:
    story = outcome.stories.get(sent.correlation_id)
    dead = [json.loads(body).get("job_id") for body in outcome.dead_letters]
    return story is not None and dead == [story.job.key]


def _log_lines(file: Path) -> list[LogLine]:
    lines: list[LogLine] = []
    for text in file.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            lines.append({"message": text})
    return lines
