"""One way to call another service over HTTP: time limits, tracing, retries, no redirects."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

import httpx
import stamina

from worker.errors import ConfigurationError, TransientError
from worker.logs import correlation_id, redact
from worker.network import proxy_for, tls_context

JsonObject = Mapping[str, object]

MAX_DETAIL_CHARACTERS = 200

_CONNECT_TIMEOUT_S = 5.0
# Waits of 1, 2 and 4 times the configured base.
_TRIES = 4
# No new try after this long: a delivery that hangs has to end within the health check's 120 s,
# and the outbox tries again later anyway.
_GIVE_UP_AFTER_S = 60.0
# A longer Retry-After is left to the outbox instead of being slept through here.
_LONGEST_WAIT_S = 10.0
_MAX_RETRY_AFTER_S = 3600.0
# Answers are looked at by people only, in part.
_MAX_ANSWER_BYTES = 16_384
_REDACTED_CHARACTERS = 4 * MAX_DETAIL_CHARACTERS

_TRY_AGAIN = frozenset({408, 425, 429})
_NOT_FOR_A_HEADER = re.compile(r"[^\x21-\x7e]")
_MAX_TRACE_CHARACTERS = 128


@dataclass(frozen=True, slots=True)
class Answer:
    """A final answer: its status and the start of its text."""

    status: int
    text: str


class _NotNow(Exception):
    """No usable answer this time; a failed call or a status that asks to try again."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class HttpService:
    """A JSON service at one base URL, which is the only place it is ever looked for.

    ``unavailable``: code and sentence of the TransientError raised when retries are used up.
    ``headers`` go with every request. Thread-safe.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str],
        timeout_s: float,
        retry_wait_s: float,
        tracing_header: str,
        user_agent: str,
        unavailable: tuple[str, str],
    ) -> None:
        for name, value in headers.items():
            # httpx would quote the value in its own error, and values are secrets.
            if _NOT_FOR_A_HEADER.search(value):
                raise ConfigurationError((f"the value for header {name} can't go into a header",))
        try:
            httpx.URL(base_url)
        except httpx.InvalidURL:
            raise ConfigurationError(("the base URL of a service can't be read",)) from None
        self._secrets = tuple(value for value in headers.values() if value)
        self._base_url = base_url.rstrip("/")
        self._timeout_s = timeout_s
        self._retry_wait_s = retry_wait_s
        self._tracing_header = tracing_header
        self._unavailable = unavailable
        self._client = httpx.Client(
            headers={**headers, "user-agent": user_agent},
            timeout=httpx.Timeout(timeout_s, connect=min(_CONNECT_TIMEOUT_S, timeout_s)),
            limits=httpx.Limits(max_connections=4, max_keepalive_connections=2),
            # A redirect would take the key and the result to a host that nobody configured.
            follow_redirects=False,
            # Not httpx's own reading of the environment: it fails on some forms of NO_PROXY, and
            # would take credentials from a .netrc file.
            trust_env=False,
            proxy=proxy_for(base_url),
            verify=tls_context(),
        )

    def send(
        self,
        method: str,
        path: str,
        body: JsonObject,
        *,
        headers: Mapping[str, str] | None = None,
        before_send: Callable[[], None] = lambda: None,
    ) -> Answer:
        """Send ``body`` as JSON; the first answer that is not 408, 425, 429 or 5xx.

        The same body gives the same bytes. ``before_send`` is called before each try and may raise.
        Raises TransientError, with ``retry_after_s`` if the other side named a time, after four
        tries, or earlier when that time is long.
        """
        content = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
        sent = {**(headers or {}), **self._trace(), "content-type": "application/json"}
        request = self._client.build_request(
            method, f"{self._base_url}{path}", content=content, headers=sent
        )
        try:
            return self._with_retries(request, before_send)
        except _NotNow as failure:
            code, sentence = self._unavailable
            raise TransientError(
                code, sentence, detail=str(failure), retry_after_s=failure.retry_after_s
            ) from failure

    def close(self) -> None:
        """Close idle connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def excerpt(self, text: str) -> str:
        """At most 200 characters of an answer on one line, without secrets and addresses."""
        for secret in self._secrets:
            text = text.replace(secret, "[redacted]")
        # Redacted before it is cut, so that no half of an address is left over.
        redacted = redact(" ".join(text[:_REDACTED_CHARACTERS].split()))
        return redacted[:MAX_DETAIL_CHARACTERS]

    def _with_retries(self, request: httpx.Request, before_send: Callable[[], None]) -> Answer:
        for attempt in stamina.retry_context(
            on=_wait,
            attempts=_TRIES,
            timeout=_GIVE_UP_AFTER_S,
            wait_initial=self._retry_wait_s,
            wait_exp_base=2,
            wait_max=_LONGEST_WAIT_S,
            wait_jitter=0,
        ):
            with attempt:
                before_send()
                return self._once(request)
        raise AssertionError("stamina always tries at least once")

    def _once(self, request: httpx.Request) -> Answer:
        deadline = time.monotonic() + self._timeout_s
        try:
            response = self._client.send(request, stream=True)
            try:
                text = _start_of(response, deadline)
            finally:
                response.close()
        except httpx.RequestError as error:
            raise _NotNow(_reason(error)) from error
        if response.status_code in _TRY_AGAIN or response.status_code >= 500:
            raise _NotNow(
                f"{response.status_code}: {self.excerpt(text)}".rstrip(": "),
                retry_after_s(response.headers.get("retry-after")),
            )
        return Answer(response.status_code, text)

    def _trace(self) -> dict[str, str]:
        current = correlation_id()
        if not current:
            return {}
        # The id came with a message, so it may hold anything, line breaks included.
        safe = _NOT_FOR_A_HEADER.sub("_", current)[:_MAX_TRACE_CHARACTERS]
        return {self._tracing_header: safe}


def _wait(error: Exception) -> bool | float:
    """stamina's hook: False gives up, True waits as planned, a number waits that many seconds."""
    if not isinstance(error, _NotNow):
        return False
    if error.retry_after_s is None:
        return True
    return error.retry_after_s if error.retry_after_s <= _LONGEST_WAIT_S else False


def _start_of(response: httpx.Response, deadline: float) -> str:
    received = b""
    for chunk in response.iter_bytes():
        received += chunk
        if len(received) >= _MAX_ANSWER_BYTES:
            break
        # httpx limits the time between two chunks, not the time of all of them.
        if time.monotonic() > deadline:
            raise _NotNow("the answer did not end in time")
    return received[:_MAX_ANSWER_BYTES].decode(errors="replace")


def _reason(error: httpx.RequestError) -> str:
    # Only these say something of use; the text of others may quote what was sent.
    if isinstance(error, httpx.ConnectError | httpx.RemoteProtocolError):
        return f"{type(error).__name__}: {redact(str(error))}"
    return type(error).__name__


def retry_after_s(value: str | None) -> float | None:
    """Seconds from a Retry-After header (a number or an HTTP date), an hour at most."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return None
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER_S)
