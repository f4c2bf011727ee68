"""A proxy in front of the SQS emulator that stops one call, before or after it is carried out."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import httpx

_HOP_BY_HOP = {"host", "connection", "content-length", "transfer-encoding", "content-encoding"}


class SqsProxy:
    """Forwards every call; the one asked for is held until ``go_on``, so that a test may kill."""

    def __init__(self, endpoint_url: str) -> None:
        self._upstream = httpx.Client(base_url=endpoint_url, timeout=30)
        self._stops: set[tuple[str, bool]] = set()
        self._go_on = threading.Event()
        self.reached = threading.Event()
        self.receipts: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer = proxy._handle(self.path, dict(self.headers.items()), body)
                try:
                    self.send_response(answer.status_code)
                    for name, value in answer.headers.items():
                        if name.lower() not in _HOP_BY_HOP:
                            self.send_header(name, value)
                    self.send_header("Content-Length", str(len(answer.content)))
                    self.end_headers()
                    self.wfile.write(answer.content)
                except OSError:
                    # Whoever asked has been killed.
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop_at(self, operation: str, *, carried_out: bool) -> None:
        """Hold the next call of this operation, e.g. SendMessage."""
        self._stops.add((operation, carried_out))
        self.reached.clear()
        self._go_on.clear()

    def go_on(self) -> None:
        """Let go of what is held: a call not yet carried out is never made."""
        self._stops.clear()
        self._go_on.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.go_on()
        self._server.shutdown()
        self._server.server_close()
        self._upstream.close()

    def _handle(self, path: str, headers: dict[str, str], body: bytes) -> httpx.Response:
        operation = headers.get("X-Amz-Target", "").rpartition(".")[2]
        if (operation, False) in self._stops:
            self._hold()
            return httpx.Response(503)
        kept = {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}
        answer = self._upstream.post(path, headers=kept, content=body)
        if operation == "ReceiveMessage":
            messages = json.loads(answer.content or b"{}").get("Messages", [])
            self.receipts += [message["ReceiptHandle"] for message in messages]
        if (operation, True) in self._stops:
            self._hold()
        return answer

    def _hold(self) -> None:
        self.reached.set()
        self._go_on.wait(30)
