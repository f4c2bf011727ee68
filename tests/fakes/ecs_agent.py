"""The agent of ECS as a container sees it: task protection and task metadata, over real HTTP."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from worker.demo.fake_service import FakeService, JsonObject, Received, Reply

TASK_ID, CONTAINER_ID, CONTAINER = "158d1c8083dd49d6b527399fd6414f5c", "158d-2495160603", "worker"
TASK_ARN = f"arn:aws:ecs:eu-west-2:111122223333:task/nrf/{TASK_ID}"

_STATE = f"/api/{CONTAINER_ID}/task-protection/v1/state"
_TASK = f"/v4/{CONTAINER_ID}/task"


class FakeEcsAgent(FakeService):
    """Keeps the protection it was last asked for; ``asked`` are the bodies of all requests."""

    def __init__(self) -> None:
        super().__init__()
        self.protected = False

    @property
    def variables(self) -> dict[str, str]:
        """As ECS sets them in a container."""
        return {
            "ECS_AGENT_URI": f"{self.url}/api/{CONTAINER_ID}",
            "ECS_CONTAINER_METADATA_URI_V4": f"{self.url}/v4/{CONTAINER_ID}",
        }

    @property
    def puts(self) -> list[Received]:
        return [one for one in self.received if one.method == "PUT"]

    @property
    def asked(self) -> list[object]:
        return [one.json() for one in self.puts]

    def answer(self, request: Received) -> Reply:
        match request.method, request.path:
            case "PUT", path if path == _STATE:
                return self._protect(request.json())
            case "GET", path if path == _TASK:
                return Reply(200, self._task())
        return Reply(404, {"error": {"Code": "NotFound"}})

    def _protect(self, body: object) -> Reply:
        if not isinstance(body, dict) or not isinstance(body.get("ProtectionEnabled"), bool):
            return Reply(400, {"error": {"Code": "InvalidParameterException"}})
        if "ExpiresInMinutes" in body and not 1 <= body["ExpiresInMinutes"] <= 2880:
            return Reply(400, {"error": {"Code": "InvalidParameterException"}})
        self.protected = body["ProtectionEnabled"]
        state = {"ProtectionEnabled": self.protected, "TaskArn": TASK_ARN}
        return Reply(200, {"protection": state})

    @staticmethod
    def _task() -> JsonObject:
        others = [{"DockerId": "158d-0000000001", "Name": "log-router"}]
        mine = {"DockerId": CONTAINER_ID, "Name": CONTAINER}
        return {"Cluster": "nrf", "TaskARN": TASK_ARN, "Containers": [*others, mine]}


# What the agent says with status 200 when ECS knows no service that the task belongs to.
REFUSAL = Reply(200, {"failure": {"Arn": TASK_ARN, "Detail": None, "Reason": "TASK_NOT_VALID"}})


@contextmanager
def dripping_server() -> Iterator[str]:
    """URL of a server that never stops sending headers, a byte now and then."""
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nx-slow: ")
            while not over.wait(0.2):
                connection.sendall(b"x")

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=drip, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
