"""An HTTP server that sings when anything asks it for a file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Canary:
    """``url`` of any path, and the requests that came so far."""

    url: str
    requests: list[str] = field(default_factory=list)


@contextmanager
def http_canary(answer: bytes) -> Iterator[Canary]:
    """A server on this machine that notes each request and answers ``answer`` to all of them."""
    canary = Canary("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._sing()
            self.wfile.write(answer)

        def do_HEAD(self) -> None:
            self._sing()

        def _sing(self) -> None:
            canary.requests.append(f"{self.command} {self.path}")
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    canary.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield canary
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
