"""GOV.UK Notify over real HTTP: what its answers mean, and never the same e-mail twice."""

from __future__ import annotations

import traceback
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.fakes.clients import JANE, REFERENCE, TEMPLATE, notify_client
from worker import logs
from worker.clients.notify import NotifyClient
from worker.clients.receipt import DeliveryReceipt
from worker.demo.fake_service import LOST_REPLY, Misbehaviour, Reply, failing
from worker.demo.notify import API_KEY, DAILY_LIMIT_REACHED, RATE_LIMITED, FakeNotify, error
from worker.errors import (
    ConfigurationError,
    ConfigurationFault,
    DeliveryRejected,
    TransientError,
    WorkerError,
)
from worker.settings import RuntimeSettings


def send(client: NotifyClient, *, to: str = JANE, again: bool = False) -> DeliveryReceipt:
    return client.send_email(
        TEMPLATE, to, {"job_id": "job-1"}, reference=REFERENCE, may_have_been_sent=again
    )


@pytest.fixture
def notify() -> Iterator[FakeNotify]:
    with FakeNotify() as service:
        yield service


@pytest.fixture
def client(notify: FakeNotify) -> NotifyClient:
    return notify_client(notify.url)


def test_an_email_is_sent_with_its_reference(notify: FakeNotify, client: NotifyClient) -> None:
    receipt = send(client)

    (email,) = notify.sent
    assert receipt == DeliveryReceipt("delivered", remote_id=email.id)
    assert (email.to, email.template_id, email.reference) == (JANE, TEMPLATE, REFERENCE)
    assert email.personalisation == {"job_id": "job-1"}
    assert [request.method for request in notify.received] == ["POST"]


def test_a_file_goes_with_an_email(notify: FakeNotify, client: NotifyClient) -> None:
    upload = {"file": b64encode(b"a,b").decode(), "filename": "report.csv"}

    client.send_email(TEMPLATE, JANE, {"report": upload}, reference=REFERENCE)

    assert notify.sent[0].personalisation == {"report": upload}


def test_an_email_whose_reply_was_lost_is_found_by_reference_and_not_sent_again(
    notify: FakeNotify, client: NotifyClient
) -> None:
    notify.misbehave(LOST_REPLY)
    with pytest.raises(TransientError) as raised:
        send(client)
    assert raised.value.code == "notify_unavailable"

    receipt = send(client, again=True)

    assert receipt == DeliveryReceipt("already_delivered", remote_id=notify.sent[0].id)
    assert len(notify.sent) == 1


def test_an_email_that_never_arrived_is_sent_on_the_second_try(
    notify: FakeNotify, client: NotifyClient
) -> None:
    client.send_email(TEMPLATE, JANE, {}, reference="of another delivery")
    notify.misbehave(Misbehaviour(drop=True))
    with pytest.raises(TransientError):
        send(client)

    assert send(client, again=True).outcome == "delivered"
    assert [email.reference for email in notify.sent] == ["of another delivery", REFERENCE]


def test_an_email_that_notify_could_not_hand_on_is_sent_again(
    notify: FakeNotify, client: NotifyClient
) -> None:
    send(client)
    notify.sent[0] = replace(notify.sent[0], status="technical-failure")

    assert send(client, again=True).outcome == "delivered"
    assert len(notify.sent) == 2
    assert send(client, again=True).outcome == "already_delivered"


def test_nothing_is_sent_again_while_notify_can_not_say_whether_it_was(
    notify: FakeNotify, client: NotifyClient
) -> None:
    notify.misbehave(failing(500))
    with pytest.raises(TransientError):
        send(client, again=True)
    assert [request.method for request in notify.received] == ["GET"]
    assert notify.sent == []


@pytest.mark.parametrize(
    ("misbehaviour", "code", "retry_after_s"),
    [
        (RATE_LIMITED, "notify_rate_limited", 60),
        (
            Misbehaviour(error(429, "RateLimitError", "slow down", {"retry-after": "7"})),
            "notify_rate_limited",
            7,
        ),
        # 22:30 until a minute after midnight UTC.
        (DAILY_LIMIT_REACHED, "notify_daily_limit", 91 * 60),
        (failing(500, {"errors": [{"error": "Exception"}]}), "notify_unavailable", None),
        (failing(503, "<html>gateway</html>"), "notify_unavailable", None),
        (failing(408), "notify_unavailable", None),
        (Misbehaviour(drop=True), "notify_unavailable", None),
        (failing(201, "not json"), "notify_unavailable", None),
        (failing(201, {"reference": REFERENCE}), "notify_unavailable", None),
    ],
    ids=[
        "rate limit",
        "rate limit with a time",
        "daily limit",
        "500",
        "503",
        "408",
        "no answer",
        "accepted without JSON",
        "accepted without an id",
    ],
)
def test_what_may_pass_is_transient(
    notify: FakeNotify,
    client: NotifyClient,
    misbehaviour: Misbehaviour,
    code: str,
    retry_after_s: float | None,
) -> None:
    notify.misbehave(misbehaviour)

    with pytest.raises(TransientError) as raised:
        send(client)

    assert raised.value.code == code
    assert raised.value.retry_after_s == retry_after_s
    assert len(notify.received) == 1


def test_an_answer_that_takes_too_long_is_transient(notify: FakeNotify) -> None:
    notify.misbehave(Misbehaviour(delay_s=0.6))
    with pytest.raises(TransientError) as raised:
        send(notify_client(notify.url, timeout_s=0.2))
    assert raised.value.code == "notify_unavailable"


@pytest.mark.parametrize(
    ("misbehaviour", "kind", "code"),
    [
        (
            Misbehaviour(error(403, "AuthError", "Error: Your system clock must be accurate")),
            ConfigurationFault,
            "notify_refused_us",
        ),
        (failing(404, "<html>"), ConfigurationFault, "notify_unexpected_answer"),
        (failing(200, "<html>"), TransientError, "notify_unavailable"),
        (
            Misbehaviour(
                error(400, "BadRequestError", "Can't send to this recipient using a team-only key")
            ),
            DeliveryRejected,
            "notify_rejected",
        ),
    ],
)
def test_a_refusal_has_its_meaning(
    notify: FakeNotify,
    client: NotifyClient,
    misbehaviour: Misbehaviour,
    kind: type[WorkerError],
    code: str,
) -> None:
    notify.misbehave(misbehaviour)
    with pytest.raises(kind) as raised:
        send(client)
    assert raised.value.code == code


def test_a_wrong_key_is_a_configuration_fault(notify: FakeNotify) -> None:
    wrong = API_KEY[:-4] + "ffff"
    with pytest.raises(ConfigurationFault, match="key not found"):
        send(notify_client(notify.url, key=wrong))


def test_a_template_that_does_not_exist_is_a_rejection(
    notify: FakeNotify, client: NotifyClient
) -> None:
    notify.missing_templates.add(TEMPLATE)
    with pytest.raises(DeliveryRejected, match="Template not found"):
        send(client)


def test_a_redirect_is_never_followed(notify: FakeNotify, client: NotifyClient) -> None:
    with FakeNotify() as elsewhere:
        notify.misbehave(failing(307, location=f"{elsewhere.url}/v2/notifications/email"))
        with pytest.raises(ConfigurationFault) as raised:
            send(client)
    assert raised.value.code == "notify_unexpected_answer"
    assert elsewhere.received == []


@pytest.mark.parametrize(
    ("to", "environment", "sent"),
    [
        ("a@team.example", "test", True),
        ("a@TEAM.example", "test", True),
        ("a@builders.example", "test", False),
        ("a@team.example@builders.example", "test", False),
        ("a@sub.team.example", "test", False),
        ("a@builders.example", "prod", True),
    ],
)
def test_outside_production_only_allowed_domains_are_written_to(
    notify: FakeNotify, to: str, environment: str, sent: bool
) -> None:
    client = notify_client(notify.url, environment=environment, allowed=("@team.example",))

    receipt = send(client, to=to)

    assert receipt.outcome == ("delivered" if sent else "suppressed")
    assert len(notify.received) == int(sent)
    assert to not in receipt.detail


@pytest.mark.parametrize("key", ["", "too-short", "name-with-36-characters-twice-but-no-ids"])
def test_a_malformed_key_is_refused_at_the_start_without_quoting_it(key: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        notify_client("http://127.0.0.1:1", key=key)
    assert not key or key not in "".join(traceback.format_exception(raised.value))


@pytest.mark.usefixtures("own_logging")
def test_no_address_and_no_key_reaches_an_error_or_a_log_line(
    notify: FakeNotify, client: NotifyClient, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(RuntimeSettings(log_level="debug", log_format="json"))
    answers = [
        Reply(status, {"errors": [{"error": "BadRequestError", "message": f"not {JANE}"}]})
        for status in (400, 403, 429, 500)
    ]
    notify.misbehave(*(Misbehaviour(answer) for answer in answers))

    for _ in answers:
        with pytest.raises(WorkerError) as raised:
            send(client)
        seen = "".join(traceback.format_exception(raised.value)) + raised.value.detail
        assert "[e-mail]" in raised.value.detail
        assert JANE not in seen
        assert API_KEY[-36:] not in seen
    written = capsys.readouterr().out
    assert "failed with 400" in written
    assert JANE not in written
    assert API_KEY[-36:] not in written
