"""An S3 bucket that takes uploads and keeps nothing: what is measured is the worker, not S3."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_CHUNK_BYTES = 1024 * 1024
_BEGUN = b"<R><UploadId>1</UploadId></R>"


@contextmanager
def bucket() -> Iterator[str]:
    """URL of a bucket in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bucket"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _take(self) -> None:
        left = int(self.headers.get("Content-Length", 0))
        while left > 0:
            left -= len(self.rfile.read(min(left, _CHUNK_BYTES)))
        content = _BEGUN if self.command == "POST" else b""
        self.send_response(204 if self.command == "DELETE" else 200)
        self.send_header("ETag", '"0"')
        if self.command != "DELETE":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _list(self) -> None:
        content = b"<ListMultipartUploadsResult></ListMultipartUploadsResult>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_PUT = do_POST = do_DELETE = _take
    do_GET = _list

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
