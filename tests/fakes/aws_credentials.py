"""A source of AWS credentials, as a task in ECS has one, that can be told to fail."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from worker.demo.fake_service import FakeService, Misbehaviour, Received, Reply, failing

_LIFETIME = timedelta(seconds=2)


class Credentials(FakeService):
    """The endpoint that gives a task its keys: a new one each time, good for two seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._ends: dict[str, datetime] = {}
        self._given = threading.Lock()

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self._ends)

    @property
    def variables(self) -> Mapping[str, str]:
        """What makes the worker ask here for its keys."""
        return {
            "AWS_ACCESS_KEY_ID": "",
            "AWS_SECRET_ACCESS_KEY": "",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self.url}/keys",
        }

    def answer(self, request: Received) -> Reply:
        with self._given:
            key, ends = f"AKIA{len(self._ends):04}", datetime.now(UTC) + _LIFETIME
            self._ends[key] = ends
        return Reply(200, _keys(key, ends))

    def fail_with(self, fault: str | None) -> None:
        """From now on it is ``away``, or gives keys that have ``expired``, or ``nonsense``."""
        faults: dict[str | None, Misbehaviour | None] = {
            "away": failing(500, "away"),
            "expired": Misbehaviour(
                Reply(200, _keys("AKIAOLD", datetime.now(UTC) - timedelta(minutes=5)))
            ),
            "nonsense": Misbehaviour(Reply(200, {"message": "no keys today"})),
            None: None,
        }
        self.misbehave_always(faults[fault])

    def has_ended(self, key: str) -> bool:
        """Whether a call that was signed with this key is to be refused."""
        with self._given:
            ends = self._ends.get(key)
        # On a loaded machine a call that was signed in time arrives late.
        return ends is None or datetime.now(UTC) > ends + timedelta(seconds=10)


def _keys(key: str, ends: datetime) -> Mapping[str, str]:
    return {
        "AccessKeyId": key,
        "SecretAccessKey": "secret",
        "Token": "token",
        "Expiration": ends.isoformat(),
    }
