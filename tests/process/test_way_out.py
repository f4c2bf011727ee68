"""In production everything leaves over TLS and through the proxy, and trusts what it is told to."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.fakes.environment import Environment
from tests.fakes.submissions import put_site, request
from tests.fakes.tls_front import Authority, PrivateNetwork

SECRET = "proxy-pass-word"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def network(environment: Environment, authority: Authority) -> Iterator[PrivateNetwork]:
    def port(url: str) -> int:
        found = urlsplit(url).port
        assert found is not None
        return found

    services = {
        "backend.test": port(environment.backend.url),
        "notify.test": port(environment.notify.url),
        # Under such a name moto expects the bucket in the path, as it does on this machine.
        "localstack.test": port(environment.aws.endpoint_url),
    }
    database = ("database.test", port(environment.database_url))
    with PrivateNetwork(authority, services, database=database) as private:
        yield private


def production(
    environment: Environment, network: PrivateNetwork, authority: Authority, **changes: str
) -> dict[str, str]:
    """An environment in which nothing answers in plain text, and only the proxy knows the way."""
    address = urlsplit(environment.database_url)
    return {
        "ENVIRONMENT": "prod",
        "TRACING_HEADER": "x-request-of-another-platform",
        "AWS_ENDPOINT_URL": "https://localstack.test",
        **{
            # moto makes its queues' addresses of its own.
            name: f"https://localstack.test{urlsplit(url).path}"
            for name, url in (
                ("SQS_QUEUE_URL", environment.queue.url),
                ("SQS_DLQ_URL", environment.queue.dlq_url),
            )
        },
        "BACKEND_BASE_URL": "https://backend.test",
        "GOVUK_NOTIFY_BASE_URL": "https://notify.test",
        "DATABASE_URL": (
            f"postgresql://{address.username}@database.test:{network.database_port}"
            f"{address.path}?hostaddr=127.0.0.1&sslmode=verify-full"
        ),
        "HTTP_PROXY": f"http://worker:{SECRET}@127.0.0.1:{network.proxy_port}",
        "TRUSTSTORE_PRIVATE": base64.b64encode(authority.pem).decode(),
        "TRUSTSTORE_RDS_ROOT_CA": base64.b64encode(authority.pem).decode(),
        **changes,
    }


def test_a_job_is_done_with_every_client_behind_the_proxy_and_a_private_authority(
    environment: Environment, network: PrivateNetwork, authority: Authority
) -> None:
    put_site(environment)
    environment.send(request(), correlation_id="trace-prod")
    variables = production(
        environment, network, authority, TRUSTSTORE_BROKEN="bm90IGEgY2VydGlmaWNhdGU="
    )
    with environment.worker(**variables) as worker:
        worker.wait_for("message.deleted")

    (posted,) = environment.backend.received
    assert posted.path == "/jobs/job-1/result"
    assert posted.headers["x-request-of-another-platform"] == "trace-prod"
    assert len(environment.notify.sent) == 1
    assert {target for target, _ in network.asked} == {
        "backend.test:443",
        "localstack.test:443",
        "notify.test:443",
    }
    expected = base64.b64encode(f"worker:{SECRET}".encode()).decode().lower()
    assert {given for _, given in network.asked} == {f"basic {expected}"}
    (prepared,) = worker.events("network.prepared")
    assert prepared["https_proxy"] == f"http://127.0.0.1:{network.proxy_port}"
    assert prepared["certificates"] == ["TRUSTSTORE_PRIVATE", "TRUSTSTORE_RDS_ROOT_CA"]
    (skipped,) = worker.events("certificate.skipped")
    assert (skipped["variable"], skipped["log.level"]) == ("TRUSTSTORE_BROKEN", "error")
    assert SECRET not in json.dumps(worker.lines)


def test_a_database_whose_authority_is_unknown_is_not_used(
    environment: Environment, network: PrivateNetwork, authority: Authority
) -> None:
    variables = production(environment, network, authority, TRUSTSTORE_RDS_ROOT_CA="")
    with environment.worker(**variables) as worker:
        assert worker.wait() == 69
    (refused,) = worker.events("worker.not_started")
    assert refused["error_code"] == "database_unavailable"
    assert "root certificate" in str(refused["error_detail"])


def test_nothing_is_sent_to_a_backend_whose_authority_is_unknown(
    environment: Environment, network: PrivateNetwork, authority: Authority
) -> None:
    put_site(environment)
    environment.send(request())
    variables = production(environment, network, authority) | {
        "ENVIRONMENT": "ext-test",
        "AWS_ENDPOINT_URL": environment.aws.endpoint_url,
        "SQS_QUEUE_URL": environment.queue.url,
        "SQS_DLQ_URL": environment.queue.dlq_url,
        "TRUSTSTORE_PRIVATE": "",
        "TRUSTSTORE_RDS_ROOT_CA": "",
        "DATABASE_URL": environment.database_url,
    }
    with environment.worker(**variables) as worker:
        postponed = worker.wait_for("delivery.postponed", kind="backend.job_result")
    assert postponed["error_code"] == "backend_unavailable"
    assert "CERTIFICATE_VERIFY_FAILED" in str(postponed["error_detail"])
    assert environment.backend.received == []


def test_this_machine_is_never_asked_for_through_a_proxy(environment: Environment) -> None:
    put_site(environment)
    environment.send(request())
    # Nothing listens there: whatever goes to it fails.
    with environment.worker(
        HTTP_PROXY="http://127.0.0.1:1", HTTPS_PROXY="http://127.0.0.1:1"
    ) as worker:
        worker.wait_for("message.deleted")
    assert len(environment.backend.received) == 1
    assert len(environment.notify.sent) == 1


def test_production_refuses_plain_text_and_missing_keys_in_one_line_each(
    environment: Environment,
) -> None:
    with environment.worker(
        ENVIRONMENT="prod", DB_SSLMODE="prefer", BACKEND_API_KEY="", GOVUK_NOTIFY_API_KEY=""
    ) as worker:
        assert worker.wait() == 78
    assert [line["problem"] for line in worker.events("worker.not_started")] == [
        "BACKEND_API_KEY is required",
        "GOVUK_NOTIFY_API_KEY is required",
        "BACKEND_BASE_URL has to use https in production",
        "GOVUK_NOTIFY_BASE_URL has to use https in production",
        "AWS_ENDPOINT_URL has to use https in production",
        "SQS_QUEUE_URL has to use https in production",
        "SQS_DLQ_URL has to use https in production",
        "DB_SSLMODE has to be require or stronger in production",
    ]
