"""One queue of the SQS double: which messages wait, which are in flight, and until when.

Nothing here asks for the time: the broker passes it in. No call looks at more messages than it
moves, so that a backlog of ten thousand costs what one of a hundred costs.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tests.fakes.sqs_settings import Redrive
from worker.demo.fake_service import JsonObject


class Accident(StrEnum):
    """Why a message that somebody has been given is handed out again."""

    TWICE = "delivered twice"
    DELETED_IN_VAIN = "deleted in vain"


class State(StrEnum):
    """Where a message is."""

    DELAYED = "Delayed"
    VISIBLE = "Visible"
    IN_FLIGHT = "NotVisible"
    GONE = "Gone"


@dataclass(slots=True, eq=False)
class Stored:
    """A message on a queue; times in seconds on the broker's clock.

    ``receives`` counts every hand-out, and tells the newest receipt handle from older ones.
    """

    message_id: str
    body: str
    sent_at: float
    attributes: Mapping[str, JsonObject]
    system_attributes: Mapping[str, JsonObject]
    state: State = State.DELAYED
    changes_at: float = 0.0
    receives: int = 0
    received_at: float = 0.0
    first_received_at: float | None = None
    came_from: str | None = None
    # Why it is visible although it was handed out, until it is handed out again.
    accident: Accident | None = None


@dataclass(eq=False)
class Queue:
    """A standard queue; ``twice`` and ``undelete`` are how many at-least-once accidents are due.

    ``accidents`` counts those that have come to somebody: a message was handed out once more.
    """

    name: str
    arn: str
    created_at: float
    attributes: dict[str, str]
    redrive: Redrive | None = None
    modified_at: float = 0.0
    purged_at: float | None = None
    twice: int = 0
    undelete: int = 0
    counts: Counter[State] = field(default_factory=Counter)
    accidents: Counter[Accident] = field(default_factory=Counter)
    _messages: dict[str, Stored] = field(default_factory=dict)
    _visible: deque[Stored] = field(default_factory=deque)
    # Of each message only the entry with its present ``changes_at`` means anything.
    _waiting: list[tuple[float, int, Stored]] = field(default_factory=list)
    _by_age: list[tuple[float, int, Stored]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def setting(self, name: str) -> int:
        """A numeric attribute."""
        return int(self.attributes[name])

    @property
    def visible(self) -> int:
        return self.counts[State.VISIBLE]

    @property
    def in_flight(self) -> int:
        return self.counts[State.IN_FLIGHT]

    def find(self, message_id: str) -> Stored | None:
        return self._messages.get(message_id)

    def put(self, stored: Stored, now: float, *, delay_s: float = 0) -> None:
        """Take a message in, visible after ``delay_s`` seconds."""
        self._messages[stored.message_id] = stored
        heapq.heappush(self._by_age, (stored.sent_at, next(self._numbers), stored))
        stored.state = State.DELAYED
        self.counts[State.DELAYED] += 1
        if delay_s > 0:
            self._change_later(stored, now + delay_s)
        else:
            self._show(stored)

    def tick(self, now: float) -> None:
        """Show what has waited long enough, drop what is older than the retention period."""
        while self._waiting and self._waiting[0][0] <= now:
            at, _, stored = heapq.heappop(self._waiting)
            if stored.changes_at == at and stored.state in (State.DELAYED, State.IN_FLIGHT):
                self._show(stored)
        oldest = now - self.setting("MessageRetentionPeriod")
        while self._by_age and self._by_age[0][0] < oldest:
            _, _, stored = heapq.heappop(self._by_age)
            if self._messages.get(stored.message_id) is stored:
                self.remove(stored)

    def next_change(self) -> float | None:
        """When a waiting message may become visible, at the earliest."""
        return self._waiting[0][0] if self._waiting else None

    def next_visible(self) -> Stored | None:
        """The message that a receive would hand out next."""
        while self._visible and self._visible[0].state is not State.VISIBLE:
            self._visible.popleft()
        return self._visible[0] if self._visible else None

    def hand_out(self, stored: Stored, now: float, visibility_s: float) -> None:
        """Count a receive of ``next_visible`` and hide it, unless it is to be delivered twice."""
        self._visible.popleft()
        stored.receives += 1
        stored.received_at = now
        if stored.first_received_at is None:
            stored.first_received_at = now
        accident, stored.accident = stored.accident, None
        if accident is not None:
            self.accidents[accident] += 1
        if self.twice and accident is None:
            self.twice -= 1
            stored.accident = Accident.TWICE
            self._visible.appendleft(stored)
        elif visibility_s <= 0:
            self._visible.append(stored)
        else:
            self.hide(stored, now, visibility_s)

    def hide(self, stored: Stored, now: float, visibility_s: float) -> None:
        """In flight for so long from now; 0 shows it at once."""
        if visibility_s <= 0:
            self._show(stored)
            return
        self._enter(stored, State.IN_FLIGHT)
        self._change_later(stored, now + visibility_s)

    def delete(self, stored: Stored) -> None:
        """Take a message away, unless a copy of it is still due or is to come back."""
        if stored.accident is not None:
            # AWS: the server that stores a copy may miss the delete, and hand the copy out.
            return
        if self.undelete:
            self.undelete -= 1
            stored.accident = Accident.DELETED_IN_VAIN
            self._show(stored)
        else:
            self.remove(stored)

    def remove(self, stored: Stored) -> None:
        self._enter(stored, State.GONE)
        del self._messages[stored.message_id]

    def purge(self, now: float) -> None:
        self.purged_at = now
        for stored in list(self._messages.values()):
            self.remove(stored)
        self._visible.clear()
        self._waiting.clear()
        self._by_age.clear()

    def _show(self, stored: Stored) -> None:
        if stored.state is not State.VISIBLE:
            self._enter(stored, State.VISIBLE)
            self._visible.append(stored)

    def _enter(self, stored: Stored, state: State) -> None:
        self.counts[stored.state] -= 1
        self.counts[state] += 1
        stored.state = state

    def _change_later(self, stored: Stored, at: float) -> None:
        stored.changes_at = at
        heapq.heappush(self._waiting, (at, next(self._numbers), stored))
