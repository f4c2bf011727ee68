"""The backend over real HTTP: every answer has its meaning, and the key stays where it belongs."""

from __future__ import annotations

import logging
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise

import pytest

from tests.fakes.clients import backend_client
from tests.fakes.nutrient_results import BROADS, RATE, nutrient_result, site_result
from worker.clients.backend import BackendClient, QuotePatchBody
from worker.demo.backend import API_KEY, FakeBackend
from worker.demo.fake_service import LOST_REPLY, Misbehaviour, Reply, failing
from worker.errors import (
    ConfigurationError,
    ConfigurationFault,
    DeliveryRejected,
    TransientError,
    WorkerError,
)
from worker.jobs.levy import PatchSchema
from worker.jobs.quote_patch import quote_patch
from worker.logs import correlated

QUOTE = "NRF-000001"


@pytest.fixture
def backend() -> Iterator[FakeBackend]:
    with FakeBackend() as service:
        yield service


@pytest.fixture
def client(backend: FakeBackend) -> Iterator[BackendClient]:
    with backend_client(backend.url) as made:
        yield made


def body_of(schema: PatchSchema = "none") -> QuotePatchBody:
    found = quote_patch(
        nutrient_result(site_result(BROADS)),
        schema=schema,
        accepts_empty_edps=True,
        levy_rates={BROADS.name: RATE},
    )
    assert found.body is not None
    return found.body


def waits(backend: FakeBackend) -> list[float]:
    times = [request.at for request in backend.received]
    return [later - earlier for earlier, later in pairwise(times)]


def test_a_quote_gets_its_result_with_one_patch(
    backend: FakeBackend, client: BackendClient
) -> None:
    receipt = client.patch_quote(QUOTE, body_of())

    assert receipt.outcome == "delivered"
    (request,) = backend.received
    assert (request.method, request.path) == ("PATCH", "/quotes/NRF-000001")
    assert request.headers["x-api-key"] == API_KEY
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "nrf-impact-assessment-worker/1.2.3"
    assert backend.quotes[QUOTE].body == body_of().as_json()


def test_the_same_patch_twice_has_the_same_bytes_and_one_effect(
    backend: FakeBackend, client: BackendClient
) -> None:
    client.patch_quote(QUOTE, body_of())
    client.patch_quote(QUOTE, body_of())

    first, second = backend.received
    assert first.body == second.body
    assert backend.quotes[QUOTE].changes == 1


def test_a_result_that_the_database_gives_back_in_another_order_has_the_same_bytes(
    backend: FakeBackend, client: BackendClient
) -> None:
    client.post_job_result("job-1", {"a": 1, "b": {"c": 2, "d": 3}}, idempotency_key="r")
    client.post_job_result("job-1", {"b": {"d": 3, "c": 2}, "a": 1}, idempotency_key="r")

    first, second = backend.received
    assert first.body == second.body


@pytest.mark.parametrize("generation", ["levy-range", "levy-model-v1"])
def test_each_generation_of_the_backend_takes_the_levy_written_for_it(
    generation: PatchSchema,
) -> None:
    assert generation != "none"
    with FakeBackend(levy=generation) as backend, backend_client(backend.url) as client:
        assert client.patch_quote(QUOTE, body_of(generation)).outcome == "delivered"
        assert client.patch_quote(QUOTE, body_of("none")).outcome == "delivered"
        other: PatchSchema = "levy-range" if generation == "levy-model-v1" else "levy-model-v1"
        with pytest.raises(DeliveryRejected, match="levyGbp"):
            client.patch_quote(QUOTE, body_of(other))


def test_a_failing_backend_is_asked_again_after_growing_waits(backend: FakeBackend) -> None:
    backend.misbehave(failing(500), failing(502))
    with backend_client(backend.url, wait_s=0.2) as client:
        assert client.patch_quote(QUOTE, body_of()).outcome == "delivered"

    assert len(backend.received) == 3
    first, second = waits(backend)
    assert first == pytest.approx(0.2, abs=0.1)
    assert second == pytest.approx(0.4, abs=0.1)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_backend_that_goes_on_failing_is_a_transient_error_after_four_calls(
    backend: FakeBackend, client: BackendClient, status: int
) -> None:
    backend.misbehave_always(failing(status, "busy"))

    with pytest.raises(TransientError) as raised:
        client.patch_quote(QUOTE, body_of())

    assert raised.value.code == "backend_unavailable"
    assert raised.value.detail == f"{status}: busy"
    assert raised.value.retry_after_s is None
    assert len(backend.received) == 4
    assert backend.quotes == {}


def test_a_short_retry_after_is_waited_for(backend: FakeBackend, client: BackendClient) -> None:
    backend.misbehave(failing(429, retry_after="1"))

    client.patch_quote(QUOTE, body_of())

    assert waits(backend) == [pytest.approx(1, abs=0.2)]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("999999", 3600),
        ("Fri, 31 Dec 2100 23:59:59 GMT", 3600),
    ],
)
def test_a_long_retry_after_is_handed_on_without_another_call(
    backend: FakeBackend, client: BackendClient, header: str, seconds: float
) -> None:
    backend.misbehave_always(failing(503, retry_after=header))

    with pytest.raises(TransientError) as raised:
        client.patch_quote(QUOTE, body_of())

    assert raised.value.retry_after_s == seconds
    assert len(backend.received) == 1


def test_a_lost_reply_is_sent_again_and_changes_nothing_twice(
    backend: FakeBackend, client: BackendClient
) -> None:
    backend.misbehave(LOST_REPLY)

    assert client.patch_quote(QUOTE, body_of()).outcome == "delivered"
    assert len(backend.received) == 2
    assert backend.quotes[QUOTE].changes == 1


def test_a_backend_that_does_not_answer_in_time_is_transient(backend: FakeBackend) -> None:
    backend.misbehave_always(Misbehaviour(Reply(200), delay_s=0.6))

    with (
        backend_client(backend.url, timeout_s=0.2, wait_s=0) as client,
        pytest.raises(TransientError) as raised,
    ):
        client.patch_quote(QUOTE, body_of())

    assert raised.value.code == "backend_unavailable"
    assert raised.value.detail == "ReadTimeout"


def test_an_answer_that_drips_without_end_is_given_up() -> None:
    with _dripping() as url, backend_client(url, timeout_s=0.3, wait_s=0) as client:
        started = time.monotonic()
        with pytest.raises(TransientError) as raised:
            client.patch_quote(QUOTE, body_of())

    assert raised.value.detail == "the answer did not end in time"
    assert time.monotonic() - started < 4 * 0.3 + 1


@contextmanager
def _dripping() -> Iterator[str]:
    """A server that sends one byte of its answer every 50 ms until it is hung up on."""

    def drip(peer: socket.socket) -> None:
        with peer, suppress(OSError):
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
            while True:
                peer.sendall(b"x")
                time.sleep(0.05)

    def accept() -> None:
        with suppress(OSError):
            while True:
                peer, _ = server.accept()
                threading.Thread(target=drip, args=(peer,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        accepting = threading.Thread(target=accept)
        accepting.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        # Closing alone does not wake a thread that is in accept().
        server.shutdown(socket.SHUT_RDWR)
        accepting.join()


def test_a_backend_that_is_not_there_is_transient() -> None:
    with FakeBackend() as gone:
        url = gone.url
    with (
        backend_client(url, wait_s=0) as client,
        pytest.raises(TransientError, match="Connection refused"),
    ):
        client.patch_quote(QUOTE, body_of())


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, DeliveryRejected, "backend_rejected"),
        (404, DeliveryRejected, "backend_unknown_quote"),
        (422, DeliveryRejected, "backend_rejected"),
        (401, ConfigurationFault, "backend_refused_us"),
        (403, ConfigurationFault, "backend_refused_us"),
    ],
)
def test_a_refusal_is_not_tried_again(
    backend: FakeBackend,
    client: BackendClient,
    status: int,
    error: type[WorkerError],
    code: str,
) -> None:
    backend.misbehave_always(failing(status, {"message": "no"}))

    with pytest.raises(error) as raised:
        client.patch_quote(QUOTE, body_of())

    assert raised.value.code == code
    assert len(backend.received) == 1


def test_a_wrong_key_and_an_unknown_quote_are_told_apart(backend: FakeBackend) -> None:
    backend.unknown_quotes.add(QUOTE)
    with backend_client(backend.url, key="wrong") as stranger, pytest.raises(ConfigurationFault):
        stranger.patch_quote(QUOTE, body_of())
    with backend_client(backend.url) as client, pytest.raises(DeliveryRejected) as raised:
        client.patch_quote(QUOTE, body_of())
    assert raised.value.code == "backend_unknown_quote"


def test_a_redirect_is_never_followed(backend: FakeBackend, client: BackendClient) -> None:
    with FakeBackend() as elsewhere:
        backend.misbehave(failing(302, location=f"{elsewhere.url}/quotes/{QUOTE}"))
        with pytest.raises(ConfigurationFault) as raised:
            client.patch_quote(QUOTE, body_of())

    assert raised.value.code == "backend_redirected"
    assert elsewhere.received == []


@pytest.mark.parametrize(
    "reference",
    # The last but one has digits of another script.
    ["../x", "NRF-1", "NRF-000001/../2", "NRF-000001\n", "nrf-000001", "NRF-00000\u0661", ""],
)
def test_a_reference_of_another_form_never_reaches_a_path(
    backend: FakeBackend, client: BackendClient, reference: str
) -> None:
    with pytest.raises(DeliveryRejected) as raised:
        client.patch_quote(reference, body_of())
    assert raised.value.code == "backend_id_invalid"
    assert backend.received == []


@pytest.mark.parametrize("job_id", ["../x", "a b", "a/b", "é", "x" * 65, "ok\n", ""])
def test_a_job_id_of_another_form_never_reaches_a_path(
    backend: FakeBackend, client: BackendClient, job_id: str
) -> None:
    with pytest.raises(DeliveryRejected) as raised:
        client.post_job_result(job_id, {}, idempotency_key="k")
    assert raised.value.code == "backend_id_invalid"
    assert backend.received == []


def test_a_job_result_is_stored_once_however_often_it_is_posted(
    backend: FakeBackend, client: BackendClient
) -> None:
    backend.misbehave(LOST_REPLY)

    receipt = client.post_job_result("job-1", {"status": "FAILED"}, idempotency_key="ref-1")

    assert receipt.outcome == "already_delivered"
    assert {request.headers["idempotency-key"] for request in backend.received} == {"ref-1"}
    assert backend.results["job-1"].changes == 1
    assert backend.results["job-1"].body == {"status": "FAILED"}


def test_the_correlation_id_travels_and_can_not_add_a_header(
    backend: FakeBackend, client: BackendClient
) -> None:
    with correlated("trace-1"):
        client.patch_quote(QUOTE, body_of())
    with correlated("a\r\nx-evil: 1 é"):
        client.patch_quote(QUOTE, body_of())
    client.patch_quote(QUOTE, body_of())

    first, second, third = backend.received
    assert first.headers["x-cdp-request-id"] == "trace-1"
    assert second.headers["x-cdp-request-id"] == "a__x-evil:_1__"
    assert "x-evil" not in second.headers
    assert "x-cdp-request-id" not in third.headers


def test_an_answer_is_quoted_in_part_and_without_what_is_secret_or_personal(
    backend: FakeBackend, client: BackendClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = f"key {API_KEY} of jane.doe@builders.example\nrefused " + "so " * 30_000
    backend.misbehave(failing(503, answer), failing(400, answer))

    with pytest.raises(DeliveryRejected) as raised:
        client.patch_quote(QUOTE, body_of())

    assert raised.value.detail.startswith("400: key [redacted] of [e-mail] refused so so")
    assert len(raised.value.detail) <= 206
    seen = "".join(traceback.format_exception(raised.value)) + caplog.text
    assert API_KEY not in seen
    assert "jane.doe" not in seen


def test_an_address_cut_by_the_limit_does_not_survive_in_part(
    backend: FakeBackend, client: BackendClient
) -> None:
    backend.misbehave(failing(400, "x" * 190 + " jane.doe@builders.example"))

    with pytest.raises(DeliveryRejected) as raised:
        client.patch_quote(QUOTE, body_of())

    assert "jane" not in raised.value.detail


@pytest.mark.parametrize("key", ["two\nlines", "schlüssel", "with space"])
def test_a_key_that_no_header_can_carry_is_refused_without_quoting_it(key: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        backend_client("http://127.0.0.1:1", key=key)
    assert key not in "".join(traceback.format_exception(raised.value))


def test_the_backend_is_asked_through_the_proxy_unless_it_is_on_this_machine(
    backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeBackend(accepts_empty_edps=True) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with backend_client(backend.url) as client:
            client.patch_quote(QUOTE, body_of())
        assert proxy.received == []
        with backend_client("http://backend.test", wait_s=0) as client:
            client.patch_quote(QUOTE, body_of())
        assert len(proxy.received) == 1
    assert len(backend.received) == 1


def test_the_fake_reports_every_fault_of_a_body_together(backend: FakeBackend) -> None:
    import httpx

    answer = httpx.patch(
        f"{backend.url}/quotes/{QUOTE}",
        headers={"x-api-key": API_KEY},
        json={
            "edps": [{"edpId": "7", "edpName": 3, "edpType": "NUTRIENT", "impact": {}, "extra": 1}],
            "more": 1,
        },
    )

    assert answer.status_code == 400
    message = answer.json()["message"]
    for fault in (
        "body.more: is not allowed",
        "edps[0].extra: is not allowed",
        "edps[0].edpName: must be a string",
        "edps[0].impact.nitrogenTotal: is required",
    ):
        assert fault in message
    assert "edpId" not in message
