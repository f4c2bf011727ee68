"""The way out of this host: proxies and certificates, told once to every library.

httpx, requests (GOV.UK Notify's package), botocore with its providers of credentials, and libpq
have variables of their own. They are set here, for the life of the process, so that a client that
is added later cannot forget them.
"""

from __future__ import annotations

import atexit
import base64
import ipaddress
import os
import shutil
import ssl
import tempfile
import urllib.request
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import certifi
from pydantic import SecretStr

from worker.logs import logger
from worker.settings import EcsSettings, NetworkSettings

_log = logger(__name__)

# This host, and where AWS answers about it: asking a proxy for them would give it our credentials.
# With and without brackets, because libraries compare an address of IPv6 either way.
_NEVER_PROXIED = (
    "localhost",
    "127.0.0.1",
    "::1",
    "[::1]",
    "169.254.169.254",
    "169.254.170.2",
    "fd00:ec2::254",
    "[fd00:ec2::254]",
)
# Which file each library takes its certificates from: Python's ssl, requests, botocore.
_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE")
_DATABASE_ROOT = "TRUSTSTORE_RDS_ROOT_CA"
_LIBPQ_ROOT = "PGSSLROOTCERT"


@dataclass(frozen=True, slots=True)
class WayOut:
    """What has been set: proxies without their credentials, and who is trusted beside the usual."""

    http_proxy: str | None
    https_proxy: str | None
    certificates: tuple[str, ...]


def prepare(
    network: NetworkSettings,
    ecs: EcsSettings,
    certificates: tuple[tuple[str, str], ...],
    environ: MutableMapping[str, str] = os.environ,
) -> WayOut:
    """Set proxies and certificates for every library of this process and of its children.

    ``certificates``: (name, base64 of PEM). One that cannot be read is skipped with an error line,
    since a worker without it may still do most of its work.
    """
    http = _address(network.http_proxy)
    https = _address(network.https_proxy) or http
    for scheme, proxy in (("http", http), ("https", https)):
        if proxy:
            _set_twice(environ, f"{scheme}_proxy", proxy)
    if http or https:
        agent = urlsplit(ecs.ecs_agent_uri).hostname
        # On its own an asterisk means that nothing is proxied; in a list it means nothing.
        direct = (*network.no_proxy, *_NEVER_PROXIED, *((agent,) if agent else ()))
        listed = "*" if "*" in direct else ",".join(dict.fromkeys(direct))
        _set_twice(environ, "no_proxy", listed)
    trusted = _readable(certificates)
    if trusted:
        _trust(trusted, environ)
    return WayOut(_without_credentials(http), _without_credentials(https), tuple(trusted))


def proxy_for(url: str) -> str | None:
    """The proxy that requests to ``url`` go through, if any.

    For httpx, which does not understand every form of NO_PROXY.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    listed = (urllib.request.proxy_bypass(one) for one in (host, parts.netloc))
    if _is_loopback(host) or any(listed):
        return None
    return urllib.request.getproxies_environment().get(parts.scheme)


def tls_context() -> ssl.SSLContext:
    """TLS 1.2 or newer, trusting what ``prepare`` has set."""
    context = ssl.create_default_context(cafile=os.environ.get(_BUNDLES[0]) or certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _address(proxy: SecretStr | None) -> str | None:
    if proxy is None:
        return None
    address = proxy.get_secret_value()
    return address if "://" in address else f"http://{address}"


def _set_twice(environ: MutableMapping[str, str], name: str, value: str) -> None:
    # Libraries differ in which spelling they prefer.
    environ[name] = environ[name.upper()] = value


def _readable(certificates: tuple[tuple[str, str], ...]) -> dict[str, str]:
    found = {}
    for name, value in certificates:
        try:
            pem = base64.b64decode("".join(value.split()), validate=True).decode("ascii")
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
        except (ValueError, ssl.SSLError) as error:
            _log.error("certificate.skipped", variable=name, error_detail=str(error))
        else:
            found[name] = pem
    return found


def _trust(trusted: dict[str, str], environ: MutableMapping[str, str]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="nrf-trust-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    extra = "\n".join(trusted.values())
    for variable in _BUNDLES:
        usual = Path(environ.get(variable) or certifi.where()).read_text(encoding="utf-8")
        environ[variable] = _written(folder / f"{variable.lower()}.pem", f"{usual}\n{extra}\n")
    if _DATABASE_ROOT in trusted:
        # A root for the database alone: the public ones have no say about it.
        path = _written(folder / "database.pem", trusted[_DATABASE_ROOT])
        environ.setdefault(_LIBPQ_ROOT, path)


def _written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def _without_credentials(proxy: str | None) -> str | None:
    if proxy is None:
        return None
    parts = urlsplit(proxy)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
