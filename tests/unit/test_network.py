"""Every library finds the same way out, and none asks a proxy for this machine or for AWS's own."""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

import certifi
import pytest
from botocore.utils import get_environ_proxies as of_botocore
from pydantic import SecretStr
from requests.utils import get_environ_proxies as of_requests

from tests.fakes.tls_front import Authority
from worker import network
from worker.clients.backend import BackendClient
from worker.network import WayOut
from worker.settings import BackendSettings, EcsSettings, NetworkSettings

PROXY = "http://user:pass-word@proxy.example:3128"


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """The process's variables, without any that lead out, and as they were afterwards."""
    before = dict(os.environ)
    for name in before:
        if name.lower().endswith(("_proxy", "_bundle", "_cert_file", "rootcert")):
            del os.environ[name]
    yield
    os.environ.clear()
    os.environ.update(before)


def prepare(
    http: str | None = PROXY,
    https: str | None = None,
    no_proxy: tuple[str, ...] = (),
    agent: str = "",
    certificates: tuple[tuple[str, str], ...] = (),
) -> WayOut:
    settings = NetworkSettings(
        http_proxy=SecretStr(http) if http else None,
        https_proxy=SecretStr(https) if https else None,
        no_proxy=no_proxy,
    )
    return network.prepare(settings, EcsSettings(ecs_agent_uri=agent), certificates)


def proxies(url: str) -> set[str | None]:
    """What httpx, requests and botocore go through."""
    scheme = url.partition(":")[0]
    theirs: list[Mapping[str, str]] = [of_requests(url, no_proxy=None), of_botocore(url)]
    return {network.proxy_for(url), *(one.get(scheme) for one in theirs)}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_one_proxy_is_for_both_schemes_and_for_every_library(scheme: str) -> None:
    prepare()
    assert proxies(f"{scheme}://sqs.eu-west-2.amazonaws.com/") == {PROXY}


def test_https_may_have_a_proxy_of_its_own() -> None:
    prepare(https="http://other.example:3129")
    assert proxies("https://backend.example/quotes") == {"http://other.example:3129"}
    assert proxies("http://backend.example/quotes") == {PROXY}


def test_an_address_without_a_scheme_is_a_proxy_too() -> None:
    way_out = prepare("user:pass-word@proxy.example:3128")
    assert way_out.http_proxy == "http://proxy.example:3128"
    assert proxies("https://backend.example/") == {PROXY}


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:4566",
        "127.0.0.1:4566",
        "[::1]:4566",
        "169.254.169.254",
        "169.254.170.2",
        "[fd00:ec2::254]",
        "169.254.170.99:8080",
    ],
)
def test_this_machine_and_the_metadata_addresses_are_never_proxied(host: str) -> None:
    prepare(agent="http://169.254.170.99:8080/api/x")
    assert proxies(f"http://{host}/latest") == {None}
    assert proxies(f"https://{host}/latest") == {None}


@pytest.mark.parametrize(
    ("no_proxy", "url"),
    [
        ("backend.internal", "https://backend.internal/quotes"),
        (".internal", "https://backend.internal/quotes"),
        ("backend.internal:8443", "https://backend.internal:8443/quotes"),
        ("10.0.0.7", "http://10.0.0.7/quotes"),
        ("*", "https://anything.example/"),
    ],
)
def test_hosts_of_no_proxy_are_reached_directly_by_every_library(no_proxy: str, url: str) -> None:
    prepare(no_proxy=("other.example", no_proxy))
    assert proxies(url) == {None}


def test_nobody_elses_host_is_reached_directly() -> None:
    prepare(no_proxy=("backend.internal",))
    assert proxies("https://notbackend.internal.example/") == {PROXY}


def test_without_a_proxy_nothing_is_proxied() -> None:
    assert prepare(http=None) == WayOut(None, None, ())
    assert proxies("https://backend.example/") == {None}


def test_the_backends_client_is_made_whatever_no_proxy_says() -> None:
    prepare(no_proxy=("[::1]", "10.0.0.0/8"))
    settings = BackendSettings(
        backend_base_url="https://backend.example", backend_api_key=SecretStr("x")
    )
    BackendClient(settings).close()


def test_more_certificates_are_trusted_beside_the_usual_ones(tmp_path: Path) -> None:
    own = Authority(tmp_path).pem
    usual = ssl.create_default_context(cafile=certifi.where()).cert_store_stats()["x509_ca"]
    encoded = base64.encodebytes(own).decode()
    way_out = prepare(
        http=None,
        certificates=(
            ("TRUSTSTORE_A", encoded),
            ("TRUSTSTORE_BAD", "%%%"),
            ("TRUSTSTORE_NO_PEM", base64.b64encode(b"\xff\xfe").decode()),
        ),
    )
    assert way_out.certificates == ("TRUSTSTORE_A",)
    context = network.tls_context()
    assert context.cert_store_stats()["x509_ca"] == usual + 1
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"):
        assert own.decode() in Path(os.environ[variable]).read_text()
    assert "PGSSLROOTCERT" not in os.environ


def test_a_bundle_that_somebody_has_chosen_is_extended_not_replaced(tmp_path: Path) -> None:
    chosen, own = Authority(tmp_path).pem, Authority(tmp_path).pem
    (tmp_path / "chosen.pem").write_bytes(chosen)
    os.environ["AWS_CA_BUNDLE"] = str(tmp_path / "chosen.pem")
    prepare(http=None, certificates=(("TRUSTSTORE_A", base64.b64encode(own).decode()),))
    text = Path(os.environ["AWS_CA_BUNDLE"]).read_bytes()
    assert chosen in text
    assert own in text
    assert len(text) < 10_000, "the public authorities are not added"


def test_the_databases_root_is_for_the_database_alone_and_a_chosen_one_stays(
    tmp_path: Path,
) -> None:
    own = Authority(tmp_path).pem
    certificates = (("TRUSTSTORE_RDS_ROOT_CA", base64.b64encode(own).decode()),)
    prepare(http=None, certificates=certificates)
    assert Path(os.environ["PGSSLROOTCERT"]).read_bytes() == own
    os.environ["PGSSLROOTCERT"] = "/chosen.pem"
    prepare(http=None, certificates=certificates)
    assert os.environ["PGSSLROOTCERT"] == "/chosen.pem"
