"""An SQS of our own over HTTP: AWS's documented behaviour, and its accidents on demand.

For what moto's server hides (old receipt handles, move tasks, duplicates, lost answers), and for
chaos and benchmarks: what a call costs does not grow with the backlog.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import TYPE_CHECKING, Self

import boto3
from botocore.config import Config

from tests.fakes.sqs_broker import MAX_IN_FLIGHT, Broker, Clock
from tests.fakes.sqs_errors import SqsError
from tests.fakes.sqs_operations import Operations
from tests.fakes.sqs_queue import Accident
from tests.fakes.sqs_settings import ACCOUNT, REGION
from worker.demo.fake_service import JsonObject, Misbehaviour, Reply

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

# Given the operation, what happens to this call instead of the double's own answer.
Chaos = Callable[[str], Misbehaviour | None]


def refusing(
    code: str, *, status: int = 400, message: str = "", legacy: str | None = None
) -> Misbehaviour:
    """An error of SQS's; the call is not carried out."""
    return Misbehaviour(_refusal(SqsError(code, message, status=status, legacy=legacy)))


def _refusal(error: SqsError) -> Reply:
    blame = "Sender" if error.status < 500 else "Receiver"
    return Reply(
        error.status,
        {"__type": f"com.amazonaws.sqs#{error.code}", "message": error.message},
        {"x-amzn-query-error": f"{error.legacy};{blame}"},
    )


INTERNAL_ERROR = refusing("InternalError", status=500, message="We encountered an internal error.")
THROTTLED = refusing("RequestThrottled", message="Rate exceeded.")
OVER_LIMIT = refusing(
    "OverLimit", status=403, message="Too many.", legacy="AWS.SimpleQueueService.OverLimit"
)
INVALID_HANDLE = refusing("ReceiptHandleIsInvalid", message="The receipt handle is not valid.")
NO_QUEUE = refusing(
    "QueueDoesNotExist",
    message="The specified queue does not exist.",
    legacy="AWS.SimpleQueueService.NonExistentQueue",
)


class SqsServer:
    """The double on a free loopback port; use as a context manager.

    ``chaos`` is asked at every call that no script is waiting for. ``calls`` counts what arrived.
    """

    def __init__(self, *, port: int = 0, max_in_flight: int = MAX_IN_FLIGHT) -> None:
        self._session = boto3.Session("testing", "testing", region_name=REGION)
        self.clock = Clock()
        self.broker = Broker(self.clock, max_in_flight=max_in_flight)
        self.operations = Operations(self.broker, self.queue_url)
        self.chaos: Chaos = lambda _: None
        self.calls: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._next: defaultdict[str, deque[Misbehaviour]] = defaultdict(deque)
        self._always: dict[str, Misbehaviour] = {}
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def endpoint_url(self) -> str:
        """Where it listens, as AWS_ENDPOINT_URL_SQS expects it."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def client(self) -> SQSClient:
        """A new client, which tries nothing a second time."""
        return self._session.client(
            "sqs",
            endpoint_url=self.endpoint_url,
            config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
        )

    def queue_url(self, name: str) -> str:
        return f"{self.endpoint_url}/{ACCOUNT}/{name}"

    def misbehave(self, operation: str, *script: Misbehaviour) -> None:
        """The next calls of this operation meet these, one each."""
        with self._lock:
            self._next[operation].extend(script)

    def misbehave_always(self, operation: str, misbehaviour: Misbehaviour | None) -> None:
        """Every call of this operation meets this one from now on; None ends it."""
        with self._lock:
            if misbehaviour is None:
                self._always.pop(operation, None)
            else:
                self._always[operation] = misbehaviour

    def deliver_twice(self, queue_url: str, times: int = 1) -> None:
        """The next messages received stay visible: another poll has them too, deleted or not."""
        with self.broker.queue(queue_url.rpartition("/")[2]) as queue:
            queue.twice += times

    def undelete(self, queue_url: str, times: int = 1) -> None:
        """The next messages deleted come back, as SQS says may happen."""
        with self.broker.queue(queue_url.rpartition("/")[2]) as queue:
            queue.undelete += times

    def no_more_accidents(self, queue_url: str) -> Counter[Accident]:
        """Messages are handed out and deleted once from now on; how often they were not."""
        with self.broker.queue(queue_url.rpartition("/")[2]) as queue:
            queue.twice = queue.undelete = 0
            return queue.accidents.copy()

    def answer(
        self, operation: str, members: JsonObject, still_asked: Callable[[], bool]
    ) -> Reply | None:
        """Decide about one call; None closes the connection."""
        with self._lock:
            self.calls[operation] += 1
            script = self._next[operation]
            misbehaviour = script.popleft() if script else self._always.get(operation)
        misbehaviour = misbehaviour or self.chaos(operation)
        if misbehaviour is None:
            return self._own(operation, members, still_asked)
        time.sleep(misbehaviour.delay_s)
        own: Reply | None = None
        if misbehaviour.carry_out or (misbehaviour.reply is None and not misbehaviour.drop):
            own = self._own(operation, members, still_asked)
        return None if misbehaviour.drop else misbehaviour.reply or own

    def _own(self, operation: str, members: JsonObject, still_asked: Callable[[], bool]) -> Reply:
        try:
            return Reply(200, self.operations.call(operation, members, still_asked))
        except SqsError as error:
            return _refusal(error)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    # A poll that waits ends with the process.
    daemon_threads = True
    request_queue_size = 64


def _handler(double: SqsServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reply = double.answer(operation, _members(text), self._still_asked)
            # A client that was killed, or has run out of patience, has hung up by now.
            with suppress(ConnectionError):
                self._send(reply)

        def _send(self, reply: Reply | None) -> None:
            if reply is None:
                self.close_connection = True
                return
            content = json.dumps(reply.body).encode()
            headers: Mapping[str, str] = {
                "Content-Type": "application/x-amz-json-1.0",
                "Content-Length": str(len(content)),
                **reply.headers,
            }
            self.send_response(reply.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def _still_asked(self) -> bool:
            """Whether the client has not closed its end while it waits."""
            try:
                return bool(self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
            except BlockingIOError:
                return True
            except ConnectionError:
                return False

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Calls are in ``calls``; standard error stays quiet."""

    return Handler


def _members(text: bytes) -> JsonObject:
    members: object = json.loads(text or b"{}")
    return members if isinstance(members, dict) else {}
