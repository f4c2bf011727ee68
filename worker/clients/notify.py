"""E-mail through GOV.UK Notify: what its answers mean, and never the same e-mail twice."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol, TypeAlias

from worker.clients.http import retry_after_s
from worker.clients.receipt import DeliveryReceipt
from worker.errors import (
    ConfigurationError,
    ConfigurationFault,
    DeliveryRejected,
    LimitReached,
    TransientError,
    WorkerError,
)
from worker.logs import redact
from worker.settings import NotifySettings, RuntimeSettings

if TYPE_CHECKING:
    from notifications_python_client.errors import APIError

# A text, or what ``prepare_upload`` of the official package makes of a file.
PersonalisationValue: TypeAlias = str | int | float | bool | Mapping[str, object]

Upload: TypeAlias = Mapping[str, object]

# Larger files are refused by the official package and by Notify.
MAX_UPLOAD_BYTES = 2 * 1024 * 1024

_UUID = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
# Name, service id and secret, joined by hyphens; the package cuts the key at these places.
_API_KEY = re.compile(rf".*{_UUID}-{_UUID}")
_MAX_DETAIL_CHARACTERS = 200
_RATE_WINDOW_S = 60.0
# The daily limit starts anew at midnight UTC; a little later, in case clocks differ.
_AFTER_MIDNIGHT = timedelta(minutes=1)
_NOT_SENT = "technical-failure"


class _OfficialClient(Protocol):
    """The two calls of the official package that are used; it has no type hints of its own."""

    def send_email_notification(
        self,
        email_address: str,
        template_id: str,
        personalisation: dict[str, PersonalisationValue],
        reference: str,
    ) -> object: ...

    def get_all_notifications(self, *, reference: str) -> object: ...


def upload(content: bytes, filename: str) -> Upload:
    """A file as a value of an e-mail's personalisation, which Notify shows as a link to it.

    Whoever opens the link is asked for the address that the e-mail went to. Raises ValueError
    above MAX_UPLOAD_BYTES.
    """
    from notifications_python_client.utils import prepare_upload

    made: Upload = prepare_upload(  # type: ignore[no-untyped-call]
        io.BytesIO(content), filename, confirm_email_before_download=True
    )
    return made


class NotifyClient:
    """Sends e-mails with the official package. Thread-safe: each call has its own session.

    Outside production ``govuk_notify_allowed_domains``, if set, limits who is written to.
    ``now`` is the clock that the wait for the next day is reckoned with.
    """

    def __init__(
        self,
        settings: NotifySettings,
        runtime: RuntimeSettings,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        key = settings.govuk_notify_api_key
        if key is None:
            raise ConfigurationError(("GOVUK_NOTIFY_API_KEY is required",))
        if not _API_KEY.fullmatch(key.get_secret_value()):
            raise ConfigurationError(
                ("GOVUK_NOTIFY_API_KEY has to be {name}-{service id}-{secret}",)
            )
        self._settings = settings
        self._key = key
        self._now = now
        self._allowed_domains: frozenset[str] | None = None
        if settings.govuk_notify_allowed_domains and not runtime.is_production:
            self._allowed_domains = frozenset(
                domain.lstrip("@").casefold() for domain in settings.govuk_notify_allowed_domains
            )

    def send_email(
        self,
        template_id: str,
        to: str,
        personalisation: Mapping[str, PersonalisationValue],
        *,
        reference: str,
        may_have_been_sent: bool = False,
        before_send: Callable[[], None] = lambda: None,
    ) -> DeliveryReceipt:
        """Send one e-mail, or find by ``reference`` that an earlier try has sent it.

        Notify does not refuse a repeated reference, so a try that ``may_have_been_sent`` asks
        first; ``before_send`` is called last of all and may raise. Raises TransientError
        ``notify_unavailable``, LimitReached ``notify_rate_limited`` and ``notify_daily_limit``
        (these with ``retry_after_s``), DeliveryRejected ``notify_rejected``, ConfigurationFault
        ``notify_refused_us`` and ``notify_unexpected_answer``; none of them holds the address.
        """
        if self._allowed_domains is not None and _domain(to) not in self._allowed_domains:
            return DeliveryReceipt(
                "suppressed", detail="the domain is not one of GOVUK_NOTIFY_ALLOWED_DOMAINS"
            )
        with self._session() as client:
            if may_have_been_sent:
                found = self._sent_before(client, reference)
                if found is not None:
                    return DeliveryReceipt("already_delivered", remote_id=found)
            before_send()
            with self._translated():
                sent = client.send_email_notification(
                    email_address=to,
                    template_id=template_id,
                    personalisation=dict(personalisation),
                    reference=reference,
                )
        return DeliveryReceipt("delivered", remote_id=_id_of(sent))

    def _sent_before(self, client: _OfficialClient, reference: str) -> str | None:
        with self._translated():
            page = client.get_all_notifications(reference=reference)
        notifications = page.get("notifications") if isinstance(page, dict) else None
        if not isinstance(notifications, list):
            raise _unavailable("an answer without notifications")
        for notification in notifications:
            # Notify took this one but could not hand it on; it asks to have it sent again.
            if notification.get("status") != _NOT_SENT:
                return _id_of(notification)
        return None

    @contextmanager
    def _session(self) -> Iterator[_OfficialClient]:
        # Imported on first use: it brings requests and its certificates, which most runs of the
        # command line never need.
        from notifications_python_client.notifications import NotificationsAPIClient

        client = NotificationsAPIClient(  # type: ignore[no-untyped-call]
            self._key.get_secret_value(),
            base_url=self._settings.govuk_notify_base_url,
            timeout=self._settings.govuk_notify_timeout_seconds,
        )
        # A redirect would take the e-mail to a host that nobody configured.
        client.request_session.max_redirects = 0
        with client.request_session:
            yield client

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from notifications_python_client.errors import APIError

        try:
            yield
        except APIError as error:
            # Not chained: the package's text may quote the address.
            raise self._meaning(error) from None

    def _meaning(self, error: APIError) -> WorkerError:
        if error.response is None:
            return _unavailable("no answer")
        status = error.status_code
        said = _said(error)
        detail = f"{status}: {said}"[:_MAX_DETAIL_CHARACTERS]
        if status in (401, 403):
            return ConfigurationFault(
                "notify_refused_us", "Notify refuses our API key or our clock.", detail=detail
            )
        if status == 429:
            return self._limit(said, error.response.headers.get("retry-after"), detail)
        if status == 408 or status >= 500 or status < 300:
            return _unavailable(detail)
        if status in (404, 405) or status < 400:
            # Notify itself never says this to a send: something else answers at that address.
            return ConfigurationFault(
                "notify_unexpected_answer",
                "What answers at Notify's address is not Notify.",
                detail=str(status),
            )
        return DeliveryRejected(
            "notify_rejected", "Notify did not accept the e-mail.", detail=detail
        )

    def _limit(self, said: str, retry_after: str | None, detail: str) -> LimitReached:
        if "TooManyRequestsError" in said or "Exceeded send limits" in said:
            return LimitReached(
                "notify_daily_limit",
                "Today's limit of e-mails is used up.",
                detail=detail,
                retry_after_s=_seconds_to_next_day(self._now()),
            )
        wait_s = retry_after_s(retry_after) or _RATE_WINDOW_S
        return LimitReached(
            "notify_rate_limited",
            "Notify asks us to slow down.",
            detail=detail,
            retry_after_s=wait_s,
        )


def _domain(address: str) -> str:
    return address.rpartition("@")[2].casefold()


def _seconds_to_next_day(now: datetime) -> float:
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight + timedelta(days=1) + _AFTER_MIDNIGHT - now).total_seconds()


def _id_of(notification: object) -> str:
    """Notify's id; without one nobody can tell whether the e-mail was taken."""
    if isinstance(notification, dict) and isinstance(notification.get("id"), str):
        return str(notification["id"])
    raise _unavailable("an answer without an id")


def _said(error: APIError) -> str:
    """Notify's error names and messages on one line, without addresses."""
    message = error.message
    parts = message if isinstance(message, list) else [message]
    words = [
        f"{part.get('error')}: {part.get('message')}" if isinstance(part, dict) else str(part)
        for part in parts
    ]
    return redact(" ".join("; ".join(words).split()))


def _unavailable(detail: str) -> TransientError:
    return TransientError(
        "notify_unavailable", "Notify does not answer at the moment.", detail=detail
    )
