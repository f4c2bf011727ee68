"""The worker's clients as tests open them, and what an e-mail of Notify's is made of."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import SecretStr

from worker.clients.backend import BackendClient
from worker.clients.notify import NotifyClient
from worker.demo.backend import API_KEY as BACKEND_KEY
from worker.demo.notify import API_KEY as NOTIFY_KEY
from worker.settings import BackendSettings, DatabaseSettings, NotifySettings, RuntimeSettings

TEMPLATE = "7c0ad2b1-9d0f-4f43-9d1c-0a54e6b9c001"
JANE = "jane.doe@builders.example"
REFERENCE = "5f0c8f0e-3f6f-4e7e-8a1b-6f2f3c1d0001"
_EVENING = datetime(2026, 3, 1, 22, 30, tzinfo=UTC)


def backend_client(
    url: str, *, key: str = BACKEND_KEY, timeout_s: float = 5, wait_s: float = 0.05
) -> BackendClient:
    return BackendClient(
        BackendSettings(
            backend_base_url=url,
            backend_api_key=SecretStr(key),
            backend_timeout_seconds=timeout_s,
            backend_retry_wait_seconds=wait_s,
        ),
        version="1.2.3",
    )


def notify_client(
    url: str,
    *,
    key: str = NOTIFY_KEY,
    environment: str = "local",
    allowed: tuple[str, ...] = (),
    timeout_s: float = 5,
) -> NotifyClient:
    return NotifyClient(
        NotifySettings(
            govuk_notify_api_key=SecretStr(key),
            govuk_notify_base_url=url,
            govuk_notify_allowed_domains=allowed,
            govuk_notify_timeout_seconds=timeout_s,
        ),
        RuntimeSettings(environment=environment),
        now=lambda: _EVENING,
    )


def database_settings(
    url: str, *, statement_timeout_s: float = 5, connect_timeout_s: int = 2
) -> DatabaseSettings:
    return DatabaseSettings(
        database_url=SecretStr(url),
        db_connect_timeout_seconds=connect_timeout_s,
        db_statement_timeout_seconds=statement_timeout_s,
    )
