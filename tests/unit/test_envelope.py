"""Message bodies as they come from outside: every shape, and everything that is not one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.fakes.messages import (
    assessment_body,
    job_body,
    message,
    quote_body,
    sns_notification,
)
from worker.errors import MessageError
from worker.queue.envelope import Envelope, correlation_of, open_envelope
from worker.queue.sqs import Message

MIB = 1_048_576


def opened(received: Message) -> Envelope:
    return open_envelope(received, max_body_bytes=MIB)


def refusal(body: object, *, limit: int = MIB) -> MessageError:
    text = body if isinstance(body, str) else json.dumps(body)
    with pytest.raises(MessageError) as caught:
        open_envelope(message(text), max_body_bytes=limit)
    return caught.value


@pytest.mark.parametrize(
    ("body", "shape"),
    [(job_body(), "job"), (assessment_body(), "assessment"), (quote_body(), "quote")],
)
def test_each_shape_is_told_by_its_keys_raw_or_from_sns(
    body: dict[str, object], shape: str
) -> None:
    for received in (message(body), message(sns_notification(body))):
        envelope = opened(received)
        assert envelope.shape == shape
        assert envelope.job_type == "impact-assessment"
        assert envelope.body == body


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"hello": "world"},
        {"Type": "Notification"},
        {"Type": "SubscriptionConfirmation", "Message": json.dumps(quote_body())},
        sns_notification(sns_notification(quote_body())),
        assessment_body() | quote_body(),
        job_body(job_id="job-0001"),
        job_body(reference="NRF-000001"),
    ],
    ids=lambda body: "+".join(body)[:40] or "empty",
)
def test_a_body_of_no_shape_or_of_several_is_not_guessed(
    body: dict[str, object],
) -> None:
    assert refusal(body).code == "message_unrecognised"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not json",
        '{"job_id": "a"',
        "\ufeff{}",
        '{"job_id": "a", "job_id": "b"}',
        '{"job_id": NaN}',
        '{"job_id": -Infinity}',
        '{"job_id": 1e999}',
        '{"job_id": ' + "9" * 5000 + "}",
        r'{"job_id": "a\u0000b"}',
        r'{"job_id": "\ud800"}',
        r'{"a\ud800": "job"}',
        json.dumps(sns_notification("not json")),
        json.dumps(sns_notification('{"reference": "A", "reference": "B"}')),
    ],
)
def test_what_json_leaves_open_is_refused(body: str) -> None:
    error = refusal(body)
    assert error.code == "message_not_json"
    assert "job_id" not in str(error)


@pytest.mark.parametrize(
    "body",
    [
        "[1]",
        '"text"',
        "1",
        "null",
        sns_notification("[1]"),
        {**sns_notification(""), "Message": 5},
    ],
)
def test_a_body_that_is_not_an_object_is_refused(body: object) -> None:
    assert refusal(body).code == "message_not_object"


@pytest.mark.parametrize("depth", [40, 900, 5_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_a_deeply_nested_body_is_refused_before_it_can_exhaust_the_stack(
    depth: int, opening: str, closing: str
) -> None:
    nested = opening * depth + "1" + closing * depth
    for body in (f'{{"job_id": {nested}}}', json.dumps(sns_notification(nested))):
        assert refusal(body).code == "message_too_deep"


def test_a_multipolygon_in_a_notification_is_not_too_deep() -> None:
    body = quote_body()
    body["boundaryGeojson"] = {
        "boundaryGeometryOriginal": {
            "type": "MultiPolygon",
            "coordinates": [[[[1.0, 2.0, 3.0]]]],
        },
        "intersectingEdps": [],
    }
    assert opened(message(sns_notification(body))).shape == "quote"


def test_the_limit_counts_bytes_not_characters() -> None:
    body = json.dumps({"job_id": "a", "name": "é" * 100}, ensure_ascii=False)
    size = len(body.encode())
    assert size > len(body)
    open_envelope(message(body), max_body_bytes=size)
    assert refusal(body, limit=size - 1).code == "message_too_large"


@pytest.mark.parametrize("job_type", ["water.unheard-of", "no such type", "", None, 5, ["x"]])
def test_a_job_type_that_is_not_run_here_is_refused(job_type: object) -> None:
    assert refusal(job_body(jobType=job_type)).code == "job_type_unknown"


def test_job_types_that_are_switched_off_can_be_refused() -> None:
    with pytest.raises(MessageError) as caught:
        open_envelope(message(quote_body()), max_body_bytes=MIB, job_types=frozenset())
    assert caught.value.code == "job_type_unknown"


def test_the_correlation_id_comes_from_the_first_source_that_has_one() -> None:
    inner = quote_body(traceId="from-body")
    with_all = message(
        sns_notification(inner, correlation="from-sns"), correlation="from-attribute"
    )
    without_attribute = message(sns_notification(inner, correlation="from-sns"))
    only_body = message(sns_notification(inner))
    assert opened(with_all).correlation_id == "from-attribute"
    assert opened(without_attribute).correlation_id == "from-sns"
    assert opened(only_body).correlation_id == "from-body"
    assert not opened(only_body).correlation_generated


@pytest.mark.parametrize("absent", [None, ""])
def test_a_message_without_an_id_has_the_same_new_one_at_every_receive(
    absent: str | None,
) -> None:
    received = message(quote_body(traceId=absent))
    first, second = opened(received), opened(replace(received, receive_count=2))
    other = opened(replace(received, message_id="another-message"))
    assert first.correlation_generated
    assert first.correlation_id == second.correlation_id == correlation_of(received)
    assert other.correlation_id != first.correlation_id


@pytest.mark.parametrize(
    "unfit",
    ["a\r\nX-Evil: 1", "a b", "x" * 129, "é", "<script>", 424242, {"a": 1}, "\t"],
)
def test_an_id_that_cannot_go_into_a_header_is_replaced_and_that_is_logged(
    unfit: object,
) -> None:
    with capture_logs() as lines:
        envelope = opened(message(quote_body(traceId=unfit)))
    assert UUID(envelope.correlation_id)
    assert envelope.correlation_generated
    assert [line["event"] for line in lines] == ["correlation.replaced"]
    assert lines[0]["source"] == "traceId"
    assert str(unfit) not in json.dumps(lines)


SENT = datetime(2026, 7, 1, 9, 31, tzinfo=UTC)
EARLIER = SENT - timedelta(minutes=1)


@pytest.mark.parametrize(
    ("body", "first_sent_at", "sent_at", "asked_at"),
    [
        (quote_body(), None, None, None),
        (quote_body(), None, SENT, SENT),
        (quote_body(), EARLIER, SENT, EARLIER),
        (quote_body(), SENT + timedelta(days=1), SENT, SENT),
        (quote_body(Timestamp=EARLIER.isoformat()), None, SENT, SENT),
        (sns_notification(quote_body()), None, None, EARLIER),
        (sns_notification(quote_body()), SENT, SENT, EARLIER),
        (sns_notification(quote_body()) | {"Timestamp": "9999-12-31T00:00:00Z"}, None, SENT, SENT),
        (sns_notification(quote_body()) | {"Timestamp": "2026-07-01T09:30:00"}, None, SENT, SENT),
        (sns_notification(quote_body()) | {"Timestamp": "yesterday"}, EARLIER, SENT, EARLIER),
        (sns_notification(quote_body()) | {"Timestamp": 20260701}, None, SENT, SENT),
        (
            sns_notification(quote_body()) | {"Timestamp": "0001-01-01T00:00:00+14:00"},
            None,
            SENT,
            SENT,
        ),
    ],
    ids=[
        "nobody says",
        "sent",
        "moved since",
        "an attribute of the future",
        "a payload's own field",
        "published",
        "published and moved since",
        "a time to come",
        "without its zone",
        "no time",
        "a number",
        "before all times",
    ],
)
def test_a_message_was_published_when_its_notification_its_attribute_or_its_queue_says(
    body: dict[str, object],
    first_sent_at: datetime | None,
    sent_at: datetime | None,
    asked_at: datetime | None,
) -> None:
    received = replace(message(body), first_sent_at=first_sent_at, sent_at=sent_at)
    assert opened(received).asked_at == asked_at


def test_an_unreadable_message_still_has_the_id_of_its_attribute() -> None:
    assert correlation_of(message("not json", correlation="abc-1")) == "abc-1"
    assert UUID(correlation_of(message("not json")))
    assert UUID(correlation_of(message("not json", correlation="\r\n")))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
_keys = st.sampled_from(
    [
        "jobType",
        "jobId",
        "job_id",
        "s3_input_key",
        "reference",
        "boundaryGeojson",
        "Type",
        "Message",
        "MessageAttributes",
        "traceId",
    ]
)


@given(st.text() | st.dictionaries(_keys | st.text(), _json).map(json.dumps))
def test_any_body_is_either_opened_or_refused_with_a_code(body: str) -> None:
    try:
        envelope = opened(message(body))
    except MessageError as error:
        assert error.code.startswith(("message_", "job_type_"))
    else:
        assert envelope.job_type == "impact-assessment"
