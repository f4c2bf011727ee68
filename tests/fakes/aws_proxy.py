"""A proxy in front of the AWS emulator: refuses calls, cuts answers, and remembers receipts."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Self

import httpx

from worker.demo.aws import AwsEmulator, QueuePair
from worker.demo.fake_service import ThreadingServer

_NOT_FORWARDED = {"host", "connection", "content-length", "transfer-encoding", "accept-encoding"}
_SIGNED_BY = re.compile(r"Credential=([^/]+)/")
# On close, the peer gets a reset instead of an orderly end.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Call:
    """One request: an SQS operation, or a method and path of S3. ``key_id`` signed it."""

    method: str
    path: str
    operation: str
    key_id: str
    query: str = ""

    @property
    def is_s3(self) -> bool:
        return not self.operation


@dataclass(frozen=True, slots=True)
class Refusal:
    """The service's own error instead of an answer."""

    status: int
    code: str


@dataclass(frozen=True, slots=True)
class Cut:
    """The true answer, but the connection is reset after half of its body."""


Fault = Refusal | Cut


@dataclass
class AwsProxy:
    """Forwards every call to ``emulator``, unless ``fault`` says what happens instead."""

    emulator: AwsEmulator
    fault: Callable[[Call], Fault | None] = lambda _: None
    calls: list[Call] = field(default_factory=list)
    receipts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._upstream = httpx.Client(base_url=self.emulator.endpoint_url, timeout=40)
        self._server = ThreadingServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def variables(self, queue: QueuePair) -> dict[str, str]:
        """What sends a worker's calls through here."""
        endpoint = self.emulator.endpoint_url
        return {
            "AWS_ENDPOINT_URL": self.url,
            "SQS_QUEUE_URL": queue.url.replace(endpoint, self.url),
            "SQS_DLQ_URL": queue.dlq_url.replace(endpoint, self.url),
        }

    def show_again(self, queue: QueuePair) -> None:
        """What was received is visible at once, as at the end of its visibility timeout."""
        sqs = self.emulator.sqs
        while self.receipts:
            entry = {"Id": "0", "ReceiptHandle": self.receipts.pop(), "VisibilityTimeout": 0}
            sqs.change_message_visibility_batch(QueueUrl=queue.url, Entries=[entry])  # type: ignore[list-item]

    def forward(self, call: Call, target: str, headers: dict[str, str], body: bytes) -> _Answer:
        kept = {
            name: value for name, value in headers.items() if name.lower() not in _NOT_FORWARDED
        }
        answer = self._upstream.request(
            call.method, target, headers={**kept, "accept-encoding": "identity"}, content=body
        )
        if call.operation == "ReceiveMessage":
            messages = json.loads(answer.content or b"{}").get("Messages", [])
            self.receipts += [message["ReceiptHandle"] for message in messages]
        return _Answer(answer.status_code, dict(answer.headers), answer.content)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._upstream.close()


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def _refused(call: Call, refusal: Refusal) -> _Answer:
    if call.is_s3:
        text = f"<Error><Code>{refusal.code}</Code><Message>no</Message></Error>"
        content = "application/xml"
    else:
        text = json.dumps({"__type": f"com.amazonaws.sqs#{refusal.code}", "message": "no"})
        content = "application/x-amz-json-1.0"
    return _Answer(refusal.status, {"content-type": content}, text.encode())


def _handler(proxy: AwsProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            signed = _SIGNED_BY.search(self.headers.get("Authorization", ""))
            call = Call(
                self.command,
                self.path.partition("?")[0],
                self.headers.get("X-Amz-Target", "").rpartition(".")[2],
                signed[1] if signed else "",
                self.path.partition("?")[2],
            )
            proxy.calls.append(call)
            fault = proxy.fault(call)
            if isinstance(fault, Refusal):
                answer = _refused(call, fault)
            else:
                answer = proxy.forward(call, self.path, dict(self.headers.items()), body)
            try:
                self._send(answer, cut=isinstance(fault, Cut))
            except OSError:
                # Whoever asked has been killed.
                self.close_connection = True

        def _send(self, answer: _Answer, *, cut: bool) -> None:
            self.send_response(answer.status)
            # The answer to a HEAD tells the length of a body that does not come.
            told = answer.headers.get("content-length") if self.command == "HEAD" else None
            for name, value in answer.headers.items():
                if name.lower() not in _NOT_FORWARDED:
                    self.send_header(name, value)
            self.send_header("Content-Length", told or str(len(answer.body)))
            self.end_headers()
            if self.command == "HEAD":
                return
            if cut:
                self.wfile.write(answer.body[: len(answer.body) // 2])
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                self.connection.close()
                self.close_connection = True
            else:
                self.wfile.write(answer.body)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve

        def log_message(self, *_: object) -> None:
            pass

    return Handler
