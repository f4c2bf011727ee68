"""Dead letters: looked at without loss, put back with all that belongs to them, thrown away."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest

from tests.fakes.commands import run_command
from tests.fakes.ledger import LedgerBench, connector, delivery, new_job
from tests.fakes.messages import assessment_body, job_body, message, quote_body
from tests.fakes.sqs_server import SqsServer
from worker.demo.aws import AwsEmulator, QueuePair, create_queue_pair
from worker.demo.fake_service import Misbehaviour, Reply
from worker.errors import CommandRefused, MessageError, PermanentError, TransientError
from worker.jobs.payloads import job_key, parse_request, request_hash, validated
from worker.jobs.reference_load import ReferenceLoadRequest
from worker.jobs.stored import stored_body
from worker.jobs.triage import Choice, Triage, retry
from worker.ledger.models import UNREADABLE, Finished, JobStatus, StoredJob
from worker.ledger.operations import Operations
from worker.ledger.queries import find_jobs
from worker.queue.dlq import DeadLetterQueue, Look
from worker.queue.envelope import open_envelope
from worker.queue.sqs import SqsQueue

BROKEN = PermanentError("geometry_invalid", "The boundary crosses itself.")
AWAY = TransientError("s3_unavailable", "S3 does not answer.")
LIMIT = 1_048_576


class Bench:
    """A queue, its dead letters and a ledger, as an operator's command has them."""

    def __init__(self, aws: AwsEmulator, queue: QueuePair, url: str) -> None:
        self.ledger = LedgerBench(url)
        self.sqs = aws.sqs
        self.urls = queue
        self.queue = SqsQueue(self.sqs, queue.url)
        self.operations = Operations(connector(url), made_by="ann")

    @property
    def triage(self) -> Triage:
        """One command's view; each command has its own."""
        dlq = DeadLetterQueue(self.sqs, self.urls.dlq_url, self.urls.url)
        return Triage(dlq, self.operations, max_body_bytes=LIMIT)

    def letter(self, body: object = None, *, trace: str | None = "trace-1") -> str:
        text = body if isinstance(body, str) else json.dumps(body or assessment_body())
        attributes = {"Origin": {"DataType": "Binary", "BinaryValue": b"\x00\x01"}}
        if trace:
            attributes["CorrelationId"] = {"DataType": "String", "StringValue": trace}
        answer = self.sqs.send_message(
            QueueUrl=self.urls.dlq_url,
            MessageBody=text,
            MessageAttributes=attributes,  # type: ignore[arg-type]
        )
        return answer["MessageId"]

    def failed(self, message_id: str, key: str = "job-0001") -> None:
        claim = self.ledger.claimed(new_job(key, message_id=message_id))
        self.ledger.ledger.fail(claim, BROKEN, ())

    def waiting(self, message_id: str, key: str = "job-0001") -> None:
        claim = self.ledger.claimed(new_job(key, message_id=message_id))
        self.ledger.ledger.hand_back(claim, AWAY)

    def count(self, url: str) -> int:
        """Messages that anybody may receive now."""
        raw = self.sqs.get_queue_attributes(
            QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]
        return int(raw["ApproximateNumberOfMessages"])

    def to_the_dead_letters(self) -> None:
        """Receive what is on the queue until its receives are used up; SQS keeps its id."""
        policy = {"deadLetterTargetArn": self.urls.dlq_arn, "maxReceiveCount": 1}
        self.sqs.set_queue_attributes(
            QueueUrl=self.urls.url, Attributes={"RedrivePolicy": json.dumps(policy)}
        )
        for _ in range(2):
            self.sqs.receive_message(QueueUrl=self.urls.url, VisibilityTimeout=0)

    def status(self, key: str = "job-0001") -> object:
        return self.ledger.value("SELECT status::text FROM jobs.job WHERE key = %s", key)


def wait_until(look: Callable[[], bool], what: str) -> None:
    ends_at = time.monotonic() + 30
    while not look():
        assert time.monotonic() < ends_at, f"no {what}"
        time.sleep(0.05)


@pytest.fixture
def bench(aws: AwsEmulator, queue: QueuePair, database_url: str) -> Bench:
    return Bench(aws, queue, database_url)


def test_a_list_names_job_error_and_the_stranded_and_gives_everything_back(bench: Bench) -> None:
    failed, waiting, unseen = bench.letter(), bench.letter(), bench.letter(quote_body())
    broken = bench.letter("{", trace=None)
    bench.failed(failed)
    bench.waiting(waiting, "job-0002")
    entry = new_job(f"message:{broken}", type=UNREADABLE, payload=None, message_id=broken)
    bench.ledger.ledger.record_invalid(entry, BROKEN, ())

    cases = {case.message_id: case for case in bench.triage.list(limit=100)}

    assert cases.keys() == {failed, waiting, unseen, broken}
    shown = {
        one: (case.job_type, case.job_key, case.stranded, case.job and case.job.error_code)
        for one, case in cases.items()
    }
    quote_key = job_key(parse_request(open_envelope(message(quote_body()), max_body_bytes=LIMIT)))
    assert shown == {
        failed: ("impact-assessment", "job-0001", False, "geometry_invalid"),
        waiting: ("impact-assessment", "job-0002", True, None),
        unseen: ("impact-assessment", quote_key, True, None),
        broken: (UNREADABLE, None, False, "geometry_invalid"),
    }
    assert cases[unseen].correlation_id == "trace-1"
    assert bench.count(bench.urls.dlq_url) == 4, "hidden from nobody"


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (assessment_body(), "job-0001"),
        (job_body(), "job-0001"),
        (
            {"jobType": "water.licence-updates", "scheduledTime": "2026-06-15T08:15:00+01:00"},
            "water.licence-updates:2026-06-15T07:15:00Z",
        ),
    ],
)
def test_a_letter_that_no_worker_has_read_is_found_by_the_job_that_it_names(
    bench: Bench, body: dict[str, object], key: str
) -> None:
    sent = bench.letter(body)
    (case,) = bench.triage.list(limit=10)

    assert (case.job, case.job_key) == (None, key)
    assert [one.message_id for one in bench.triage.find(key)] == [sent]
    assert [one.case.message_id for one in bench.triage.redrive(Choice(ids=frozenset({key})))] == [
        sent
    ]


@pytest.mark.parametrize(
    "body",
    [
        job_body(jobId="../x"),
        {"jobType": "water.licence-updates", "scheduledTime": "noon"},
        quote_body(reference="NRF-1"),
    ],
)
def test_a_letter_that_names_no_job_as_it_should_goes_by_its_message_id(
    bench: Bench, body: dict[str, object]
) -> None:
    bench.letter(body)
    (case,) = bench.triage.list(limit=10)
    assert case.job_key is None


def test_a_letter_has_its_own_correlation_id_and_that_of_its_job_if_it_has_none(
    bench: Bench,
) -> None:
    own, without = bench.letter(trace="trace-2"), bench.letter(trace=None)
    bench.failed(own)
    bench.failed(without, "job-0002")
    unread = bench.letter("{", trace="trace-3")
    nothing = bench.letter("{", trace=None)

    ids = {case.message_id: case.correlation_id for case in bench.triage.list(limit=10)}

    assert ids == {own: "trace-2", without: "trace-1", unread: "trace-3", nothing: ""}


def test_more_letters_than_a_page_are_all_seen_once(bench: Bench) -> None:
    sent = {bench.letter() for _ in range(23)}

    cases = bench.triage.list(limit=100)

    assert len(cases) == 23
    assert {case.message_id for case in cases} == sent
    assert bench.count(bench.urls.dlq_url) == 23


def test_a_letter_that_stands_twice_in_a_page_is_put_back_once(bench: Bench) -> None:
    with SqsServer() as double:
        client, pair = double.client, create_queue_pair(double.client, "jobs")
        sent = client.send_message(QueueUrl=pair.dlq_url, MessageBody="{}")["MessageId"]
        (letter,) = client.receive_message(
            QueueUrl=pair.dlq_url, MessageSystemAttributeNames=["ApproximateReceiveCount"]
        )["Messages"]
        page = json.loads(json.dumps([letter, letter]))
        double.misbehave("ReceiveMessage", Misbehaviour(Reply(200, {"Messages": page})))
        dlq = DeadLetterQueue(client, pair.dlq_url, pair.url)
        triage = Triage(dlq, bench.operations, max_body_bytes=LIMIT)

        (done,) = triage.redrive(Choice(everything=True))

        assert (done.case.message_id, done.left_behind) == (sent, False)
        counted = client.get_queue_attributes(QueueUrl=pair.url, AttributeNames=["All"])
        assert counted["Attributes"]["ApproximateNumberOfMessages"] == "1"


def test_a_look_that_takes_longer_than_letters_are_hidden_sees_all_of_them(bench: Bench) -> None:
    sent = {bench.letter() for _ in range(40)}
    dlq = DeadLetterQueue(bench.sqs, bench.urls.dlq_url, bench.urls.url, hidden_s=1)

    seen: list[str] = []
    with dlq.browse() as letters:
        for letter in letters:
            seen.append(letter.message_id)
            if len(seen) == 20:
                wait_until(lambda: bench.count(bench.urls.dlq_url) == 40, "letters back in sight")

    assert len(seen) == 40
    assert set(seen) == sent
    assert dlq.look == Look(40, 40, complete=True)
    assert bench.count(bench.urls.dlq_url) == 40, "hidden from nobody"


def test_letters_that_somebody_else_looks_at_are_told_as_not_seen(bench: Bench) -> None:
    for _ in range(3):
        bench.letter()
    (held,) = bench.sqs.receive_message(QueueUrl=bench.urls.dlq_url)["Messages"]
    triage = bench.triage

    assert len(triage.list(limit=10)) == 2
    assert (triage.look.counted, triage.look.overlooked) == (3, 1)

    with pytest.raises(CommandRefused, match="dead_letter_not_found") as raised:
        triage.find(held["MessageId"])
    assert "About 1 of 3 were not seen." in raised.value.sentence


def test_a_look_for_a_message_ends_where_it_is_found(bench: Bench) -> None:
    for _ in range(12):
        bench.letter()
    wanted = bench.triage.list(limit=1)[0].message_id

    triage = bench.triage
    triage.find(wanted)
    assert not triage.look.complete
    (done,) = triage.redrive(Choice(ids=frozenset({wanted})))
    assert not triage.look.complete
    assert done.case.message_id == wanted
    assert bench.count(bench.urls.dlq_url) == 11


def test_a_redriven_letter_keeps_body_and_attributes_and_its_job_is_open_before(
    bench: Bench,
) -> None:
    old = bench.letter()
    bench.failed(old)

    (done,) = bench.triage.redrive(Choice(ids=frozenset({old})))

    assert done.reopened is True
    assert bench.status() == "PENDING"
    (arrived,) = bench.sqs.receive_message(QueueUrl=bench.urls.url, MessageAttributeNames=["All"])[
        "Messages"
    ]
    assert arrived["MessageId"] == done.new_id
    assert json.loads(arrived["Body"]) == assessment_body()
    attributes = arrived["MessageAttributes"]
    assert attributes["CorrelationId"]["StringValue"] == "trace-1"
    assert attributes["Origin"]["BinaryValue"] == b"\x00\x01"
    assert bench.triage.list(limit=10) == ()


def test_a_letter_that_is_moved_twice_says_when_it_was_sent_first(bench: Bench) -> None:
    sent_at = bench.triage.find(bench.letter())[0].letter.message.sent_at
    for _ in range(2):
        assert len(list(bench.triage.redrive(Choice(everything=True)))) == 1
        # SQS counts the sending anew.
        (arrived,) = bench.queue.receive(max_messages=10, wait_s=0, visibility_s=0)
        bench.to_the_dead_letters()

    assert sent_at is not None
    assert arrived.first_sent_at == sent_at
    assert arrived.sent_at != sent_at


def test_a_letter_without_room_for_another_attribute_is_moved_as_it_is(bench: Bench) -> None:
    full = {f"Own{number}": {"DataType": "String", "StringValue": "1"} for number in range(10)}
    bench.sqs.send_message(
        QueueUrl=bench.urls.dlq_url,
        MessageBody=json.dumps(assessment_body()),
        MessageAttributes=full,  # type: ignore[arg-type]
    )

    assert len(list(bench.triage.redrive(Choice(everything=True)))) == 1

    (arrived,) = bench.sqs.receive_message(QueueUrl=bench.urls.url, MessageAttributeNames=["All"])[
        "Messages"
    ]
    assert arrived["MessageAttributes"].keys() == full.keys()


def test_stranded_letters_are_redriven_without_those_that_failed(bench: Bench) -> None:
    failed, waiting = bench.letter(), bench.letter()
    bench.failed(failed)
    bench.waiting(waiting, "job-0002")
    claim = bench.ledger.claimed(new_job("job-0003", message_id=(done := bench.letter())))
    bench.ledger.ledger.succeed(claim, {}, ())

    redriven = tuple(bench.triage.redrive(Choice(stranded=True)))

    assert {one.case.message_id for one in redriven} == {waiting, done}
    assert bench.status() == "FAILED"
    assert bench.status("job-0003") == "SUCCEEDED", "delivered or deleted as a duplicate"
    assert [case.message_id for case in bench.triage.list(limit=10)] == [failed]


def test_all_of_one_code_are_redriven(bench: Bench) -> None:
    ours, other = bench.letter(), bench.letter()
    bench.failed(ours)
    claim = bench.ledger.claimed(new_job("job-0002", message_id=other))
    bench.ledger.ledger.fail(claim, PermanentError("too_large", "The file is too large."), ())

    redriven = bench.triage.redrive(Choice(everything=True, code="geometry_invalid"))

    assert [one.case.message_id for one in redriven] == [ours]


def test_a_redriven_letter_that_the_worker_refuses_shows_the_refusal(bench: Bench) -> None:
    old = bench.letter()
    bench.failed(old)
    (done,) = bench.triage.redrive(Choice(ids=frozenset({old})))
    # What a worker does with it that does not run its type, and SQS after the last receive.
    refused = MessageError("job_type_unknown", "This worker does not run this type of job.")
    entry = new_job(f"message:{done.new_id}", type=UNREADABLE, message_id=done.new_id)
    bench.ledger.ledger.record_invalid(entry, refused, ())
    bench.to_the_dead_letters()

    (case,) = bench.triage.list(limit=10)
    assert case.job
    assert (case.message_id, case.job.error_code) == (done.new_id, "job_type_unknown")
    assert not case.stranded
    with psycopg.connect(bench.ledger.url) as connection:
        (story,) = find_jobs(connection, done.new_id)
    assert story.job.error_code == "job_type_unknown"
    again = bench.triage.redrive(Choice(everything=True, code="job_type_unknown"))
    assert [one.case.message_id for one in again] == [done.new_id]


def test_a_record_of_a_redrive_that_comes_late_leaves_the_refusal(bench: Bench) -> None:
    old = bench.letter()
    bench.waiting(old)

    def send() -> str:
        # The worker is quicker than the command, which records what it has sent.
        entry = new_job("message:new", type=UNREADABLE, message_id="new")
        bench.ledger.ledger.record_invalid(entry, BROKEN, ())
        return "new"

    job = bench.operations.jobs_of([old])[old]
    bench.operations.redrive(job, old, send, opening=True)

    assert bench.operations.jobs_of(["new"])["new"].key == "message:new"


def test_a_letter_that_was_refused_and_then_run_shows_what_became_of_the_job(bench: Bench) -> None:
    old = bench.letter()
    entry = new_job(f"message:{old}", type=UNREADABLE, message_id=old)
    bench.ledger.ledger.record_invalid(entry, MessageError("job_type_unknown", "Unknown."), ())
    # The next receive goes to a newer worker.
    bench.failed(old)

    (case,) = bench.triage.list(limit=10)
    assert (case.job_key, case.job and case.job.error_code) == ("job-0001", "geometry_invalid")
    assert bench.ledger.claim(new_job("job-0001", message_id=old)) == Finished(
        2, JobStatus.FAILED, "geometry_invalid"
    ), "known, so it opens nothing"


def test_two_letters_of_one_job_open_it_once(bench: Bench) -> None:
    first, second = bench.letter(), bench.letter()
    bench.failed(first)
    claim = bench.ledger.claimed(new_job("job-0001", message_id=second))
    bench.ledger.ledger.fail(claim, BROKEN, ())
    reopenings = "SELECT reopenings FROM jobs.job"
    before = bench.ledger.value(reopenings)
    assert before == 1

    redrive = bench.triage.redrive(Choice(ids=frozenset({"job-0001"})))
    one = next(redrive)
    # A worker is quick: the job has failed once more before the second letter's turn.
    claim = bench.ledger.claimed(new_job("job-0001", message_id=one.new_id))
    bench.ledger.ledger.fail(claim, BROKEN, ())
    (other,) = redrive

    assert (one.reopened, other.reopened) == (True, False)
    assert bench.ledger.value(reopenings) == 2
    twin = bench.ledger.claim(new_job("job-0001", message_id=other.new_id))
    assert twin == Finished(1, JobStatus.FAILED, "geometry_invalid")


def test_of_two_redrives_of_one_letter_at_once_one_puts_it_back(bench: Bench) -> None:
    old = bench.letter()
    bench.failed(old)

    def redrive() -> int:
        try:
            return len(tuple(bench.triage.redrive(Choice(ids=frozenset({old})))))
        except CommandRefused as error:
            assert error.code == "dead_letter_not_found"
            return 0

    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(redrive), pool.submit(redrive)]
        assert sorted(one.result() for one in done) == [0, 1]

    assert bench.count(bench.urls.url) == 1
    assert bench.ledger.value("SELECT reopenings FROM jobs.job") == 1


def test_a_letter_that_fails_again_at_once_is_not_taken_twice_by_one_command(bench: Bench) -> None:
    old = bench.letter()
    redrive = bench.triage.redrive(Choice(everything=True))

    first = next(redrive)
    bench.to_the_dead_letters()

    assert tuple(redrive) == ()
    assert first.case.message_id == old
    assert [case.message_id for case in bench.triage.list(limit=10)] == [first.new_id]


def test_a_dropped_letter_is_gone_and_its_reason_is_kept(bench: Bench) -> None:
    old = bench.letter()
    bench.failed(old)

    (dropped,) = bench.triage.drop(old, "the applicant has withdrawn")
    assert not dropped.left_behind

    assert bench.triage.list(limit=10) == ()
    note = "SELECT note FROM jobs.intervention WHERE action = 'drop' AND message_id = %s"
    assert bench.ledger.value(note, old) == "the applicant has withdrawn"


def test_an_id_that_is_not_there_is_said(bench: Bench) -> None:
    kept = bench.letter()

    for act in (
        lambda: bench.triage.find("nothing"),
        lambda: tuple(bench.triage.redrive(Choice(ids=frozenset({"nothing"})))),
        lambda: tuple(bench.triage.drop("nothing", "why")),
    ):
        with pytest.raises(CommandRefused) as raised:
            act()
        assert raised.value.code == "dead_letter_not_found"
    assert [case.message_id for case in bench.triage.list(limit=10)] == [kept]


def test_retry_redrives_the_dead_letter_of_the_job(bench: Bench) -> None:
    old = bench.letter()
    bench.failed(old)

    retried = retry("job-0001", bench.operations, bench.triage, bench.queue)

    assert retried.status == "PENDING"
    assert [one.case.message_id for one in retried.redriven] == [old]
    assert retried.new_message_id is None
    assert bench.ledger.value("SELECT reopenings FROM jobs.job") == 1
    assert bench.count(bench.urls.url) == 1


def test_retry_makes_a_message_from_the_ledger_where_there_is_no_dead_letter(bench: Bench) -> None:
    asked_at = datetime(2026, 7, 1, 9, 30, tzinfo=UTC)
    claim = bench.ledger.claimed(new_job("job-0001", payload=assessment_body(), asked_at=asked_at))
    bench.ledger.ledger.fail(claim, BROKEN, ())

    retried = retry("job-0001", bench.operations, bench.triage, bench.queue)

    (arrived,) = bench.queue.receive(max_messages=10, wait_s=0, visibility_s=30)
    assert arrived.message_id == retried.new_message_id
    assert arrived.correlation_attribute == "trace-1"
    assert arrived.first_sent_at == asked_at, "nobody has asked for it anew"
    request = parse_request(open_envelope(arrived, max_body_bytes=LIMIT))
    assert job_key(request) == "job-0001"
    # The ledger knows the message: only the retry has opened the job.
    known = bench.operations.jobs_of([arrived.message_id])
    assert known[arrived.message_id].key == "job-0001"


def test_retry_again_after_a_crash_in_between_still_sends_the_message(bench: Bench) -> None:
    claim = bench.ledger.claimed(new_job("job-0001", payload=assessment_body()))
    bench.ledger.ledger.fail(claim, BROKEN, ())
    bench.operations.retry(bench.operations.job("job-0001"))

    retried = retry("job-0001", bench.operations, bench.triage, bench.queue)

    assert retried.new_message_id is not None
    assert bench.ledger.value("SELECT reopenings FROM jobs.job") == 1


def test_retry_of_a_stored_result_that_was_refused_only_delivers_it_again(bench: Bench) -> None:
    claim = bench.ledger.claimed(new_job("job-0001", payload=assessment_body()))
    bench.ledger.ledger.succeed(claim, {"total": 1}, (delivery("result"),))
    refused = bench.ledger.outbox.claim_next()
    assert refused is not None
    bench.ledger.outbox.rejected(refused, BROKEN, ())
    assert bench.status() == "FAILED"

    retried = retry("job-0001", bench.operations, bench.triage, bench.queue)

    assert (retried.status, retried.new_message_id) == ("SUCCEEDED", None)
    again = bench.ledger.outbox.claim_next()
    assert again is not None
    assert again.delivery.reference == refused.delivery.reference
    assert bench.count(bench.urls.url) == 0


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        ("", "job_not_found"),
        ("running", "job_running"),
        ("succeeded", "job_finished"),
        ("unreadable", "job_unreadable"),
        ("erased", "message_missing"),
    ],
)
def test_retry_refuses_what_it_cannot_do(bench: Bench, prepare: str, code: str) -> None:
    ledger = bench.ledger
    if prepare == "unreadable":
        entry = new_job("job-0001", type=UNREADABLE, payload=None)
        ledger.ledger.record_invalid(entry, BROKEN, ())
    elif prepare:
        claim = ledger.claimed(new_job("job-0001"))
        if prepare == "succeeded":
            ledger.ledger.succeed(claim, {}, ())
        elif prepare == "erased":
            ledger.ledger.fail(claim, BROKEN, ())
            with psycopg.connect(ledger.url) as connection:
                connection.execute("UPDATE jobs.job SET payload = NULL")

    with pytest.raises(CommandRefused) as raised:
        retry("job-0001", bench.operations, bench.triage, bench.queue)

    assert raised.value.code == code
    assert bench.count(bench.urls.url) == 0


@pytest.mark.parametrize(
    "body",
    [
        assessment_body(),
        assessment_body(number_of_dwellings=None, developer_email=""),
        assessment_body(assessment_type="gcn", survey_ponds_key="uploads/ponds.zip"),
        job_body(),
        quote_body(),
    ],
)
def test_a_stored_job_makes_a_message_that_asks_for_the_same(body: dict[str, object]) -> None:
    request = parse_request(open_envelope(message(body), max_body_bytes=LIMIT))
    stored = StoredJob(
        1, job_key(request), "impact-assessment", "FAILED", "trace-1", request.payload()
    )

    again = stored_body(stored)

    assert again is not None
    same = parse_request(open_envelope(message(again), max_body_bytes=LIMIT))
    assert job_key(same) == job_key(request)
    assert request_hash(same) == request_hash(request)


def test_a_stored_load_makes_a_message_that_asks_for_the_same() -> None:
    body = {"jobType": "reference.load", "jobId": "load-1", "manifest_key": "2026/manifest.json"}
    envelope = open_envelope(message(body), max_body_bytes=LIMIT)
    payload = validated(ReferenceLoadRequest, envelope.body).payload()

    again = stored_body(StoredJob(1, "load-1", "reference.load", "FAILED", "trace-1", payload))

    assert again is not None
    opened = open_envelope(message(again), max_body_bytes=LIMIT)
    assert opened.job_type == "reference.load"
    assert validated(ReferenceLoadRequest, opened.body).payload() == payload


@pytest.mark.parametrize(
    "arguments",
    [
        ("dlq", "redrive"),
        ("dlq", "redrive", "some-id", "--all"),
        ("dlq", "redrive", "--stranded", "--code", "too_large"),
        ("dlq", "drop", "some-id"),
        ("dlq", "drop", "some-id", "--reason", " "),
    ],
)
def test_a_command_used_wrongly_touches_nothing_and_exits_64(arguments: tuple[str, ...]) -> None:
    assert run_command(*arguments).returncode == 64


def test_without_a_dead_letter_queue_the_commands_say_which_setting_is_missing(
    database_url: str,
) -> None:
    done = run_command(
        "dlq", "list", DATABASE_URL=database_url, SQS_QUEUE_URL="http://127.0.0.1:1/q"
    )

    assert done.returncode == 78
    assert done.stderr.strip() == "configuration: SQS_DLQ_URL is required"
