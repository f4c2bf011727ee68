"""An HTTP service on the loopback interface that records requests and can be told to misbehave."""

from __future__ import annotations

import json
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

JsonObject = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it arrived; header names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    at: float

    def json(self) -> object:
        """The body as JSON; None if it is none."""
        try:
            parsed: object = json.loads(self.body)
        except ValueError:
            return None
        return parsed


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: status, JSON or text, and headers in lower case, which may lie about the text."""

    status: int
    body: JsonObject | str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """What happens to one request instead of the service's own answer.

    ``reply``: this answer. ``carry_out``: the request takes effect all the same. ``drop``: the
    connection is closed without an answer, so ``carry_out`` and ``drop`` together lose a reply.
    """

    reply: Reply | None = None
    carry_out: bool = False
    drop: bool = False
    delay_s: float = 0.0


def failing(status: int, body: JsonObject | str = "", **headers: str) -> Misbehaviour:
    """An answer that changes nothing; ``retry_after="3"`` becomes the header Retry-After."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Misbehaviour(Reply(status, body, named))


LOST_REPLY = Misbehaviour(carry_out=True, drop=True)


class ThreadingServer(ThreadingHTTPServer):
    """Takes it that a client which is killed resets its connections."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Print what went wrong, unless the client is gone."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class FakeService(ABC):
    """Base of the fakes: listens in threads of its own between ``start`` and ``stop``."""

    def __init__(self, *, port: int = 0) -> None:
        self.received: list[Received] = []
        self._lock = threading.Lock()
        self._next: deque[Misbehaviour] = deque()
        self._always: Misbehaviour | None = None
        self._server = ThreadingServer(("127.0.0.1", port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @abstractmethod
    def answer(self, request: Received) -> Reply:
        """What the real service would do and say; called for one request at a time."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def misbehave(self, *script: Misbehaviour) -> None:
        """The next requests meet these, one each, before the service is itself again."""
        with self._lock:
            self._next.extend(script)

    def misbehave_always(self, misbehaviour: Misbehaviour | None) -> None:
        """Every request meets this one from now on; None ends it."""
        with self._lock:
            self._always = misbehaviour

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def serve(self) -> None:
        """Listen in the calling thread until the process is told to end."""
        try:
            self._server.serve_forever()
        except KeyboardInterrupt:
            self._server.server_close()

    def handle(self, request: Received) -> Reply | None:
        """Record a request and decide its answer; None closes the connection."""
        with self._lock:
            self.received.append(request)
            misbehaviour = self._next.popleft() if self._next else self._always
        if misbehaviour is None:
            with self._lock:
                return self.answer(request)
        time.sleep(misbehaviour.delay_s)
        own: Reply | None = None
        if misbehaviour.carry_out or (misbehaviour.reply is None and not misbehaviour.drop):
            with self._lock:
                own = self.answer(request)
        return None if misbehaviour.drop else misbehaviour.reply or own

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _handler(service: FakeService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        # One request a connection: a service that has stopped answers on no old connection.
        protocol_version = "HTTP/1.0"

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            reply = service.handle(
                Received(
                    method=self.command,
                    path=parts.path,
                    query={name: values[0] for name, values in parse_qs(parts.query).items()},
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=self.rfile.read(length),
                    at=time.monotonic(),
                )
            )
            if reply is None:
                return
            is_json = not isinstance(reply.body, str)
            content = (json.dumps(reply.body) if is_json else str(reply.body)).encode()
            self.send_response(reply.status)
            headers = {
                "content-type": "application/json" if is_json else "text/plain",
                "content-length": str(len(content)),
                **reply.headers,
            }
            for name, value in headers.items():
                self.send_header(name, value)
            # A caller that has run out of patience has hung up by now.
            with suppress(ConnectionError):
                self.end_headers()
                self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Requests are in ``received``; standard error stays quiet."""

    return Handler
