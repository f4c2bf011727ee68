"""A stored delivery finds its client, and a second try is known to be one."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator

import pytest

from tests.fakes.clients import JANE, REFERENCE, TEMPLATE, backend_client, notify_client
from tests.fakes.nutrient_results import BROADS, nutrient_result, site_result
from worker.clients.http import JsonObject
from worker.demo.backend import FakeBackend
from worker.demo.fake_service import LOST_REPLY
from worker.demo.notify import FakeNotify
from worker.errors import DeliveryRejected, TransientError
from worker.jobs.deliveries import (
    Deliverer,
    EmailDelivery,
    JobResultDelivery,
    QuotePatchDelivery,
)
from worker.jobs.quote_patch import quote_patch


@pytest.fixture
def backend() -> Iterator[FakeBackend]:
    with FakeBackend() as service:
        yield service


@pytest.fixture
def notify() -> Iterator[FakeNotify]:
    with FakeNotify() as service:
        yield service


@pytest.fixture
def deliverer(backend: FakeBackend, notify: FakeNotify) -> Iterator[Deliverer]:
    with backend_client(backend.url) as client:
        yield Deliverer(client, notify_client(notify.url))


def stored(payload: JsonObject) -> JsonObject:
    """What comes back from the database."""
    read: dict[str, object] = json.loads(json.dumps(payload, allow_nan=False))
    return read


def test_a_stored_quote_patch_reaches_the_quote(deliverer: Deliverer, backend: FakeBackend) -> None:
    patch = quote_patch(
        nutrient_result(site_result(BROADS)),
        schema="none",
        accepts_empty_edps=False,
        levy_rates={},
    )
    assert patch.body is not None
    payload = QuotePatchDelivery(reference="NRF-000007", body=patch.body).as_json()

    receipt = deliverer.deliver(
        "backend.quote_patch", stored(payload), reference=REFERENCE, attempts=1
    )

    assert receipt.outcome == "delivered"
    assert backend.quotes["NRF-000007"].body == patch.body.as_json()


def test_a_stored_result_reaches_the_job_with_its_nulls_and_its_reference(
    deliverer: Deliverer, backend: FakeBackend
) -> None:
    payload = JobResultDelivery(
        job_id="job-7", body={"status": "SUCCEEDED", "result": {"n_total_kg_yr": None}}
    ).as_json()

    deliverer.deliver("backend.job_result", stored(payload), reference=REFERENCE, attempts=1)

    assert backend.results["job-7"].body == {
        "status": "SUCCEEDED",
        "result": {"n_total_kg_yr": None},
    }
    assert backend.received[0].headers["idempotency-key"] == REFERENCE


def test_a_stored_email_is_sent_once_although_its_first_reply_was_lost(
    deliverer: Deliverer, notify: FakeNotify
) -> None:
    payload = stored(
        EmailDelivery(template_id=TEMPLATE, to=JANE, personalisation={"job_id": "1"}).as_json()
    )
    notify.misbehave(LOST_REPLY)
    with pytest.raises(TransientError):
        deliverer.deliver("notify.email", payload, reference=REFERENCE, attempts=1)

    receipt = deliverer.deliver("notify.email", payload, reference=REFERENCE, attempts=2)

    assert receipt.outcome == "already_delivered"
    assert [email.personalisation for email in notify.sent] == [{"job_id": "1"}]


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("fax", {}),
        ("notify.email", {"to": JANE, "template_id": 5, "personalisation": {}}),
        ("notify.email", {"to": JANE, "unknown": JANE}),
        ("backend.quote_patch", {"reference": "NRF-000001", "body": {"edps": JANE}}),
    ],
)
def test_a_payload_that_does_not_fit_its_kind_is_refused_without_quoting_it(
    deliverer: Deliverer,
    backend: FakeBackend,
    notify: FakeNotify,
    kind: str,
    payload: dict[str, object],
) -> None:
    with pytest.raises(DeliveryRejected) as raised:
        deliverer.deliver(kind, payload, reference=REFERENCE, attempts=1)

    assert raised.value.code == "delivery_unreadable"
    assert JANE not in "".join(traceback.format_exception(raised.value))
    assert backend.received == notify.received == []
