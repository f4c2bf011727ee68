"""All queues of the SQS double: what SQS does with messages, without the protocol around it.

Standard queues as AWS documents them. Where its documentation leaves something open, the harsher
reading holds for the worker: an old receipt handle deletes nothing although the call succeeds, and
neither an old one nor one whose visibility has ended may change the visibility.
"""

from __future__ import annotations

import base64
import binascii
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tests.fakes import sqs_errors
from tests.fakes.sqs_moves import Moves, MoveTask
from tests.fakes.sqs_queue import Queue, State, Stored
from tests.fakes.sqs_settings import (
    ACCOUNT,
    DEFAULTS,
    MAX_VISIBILITY_S,
    REGION,
    Redrive,
    redrive_of,
    with_changes,
)
from worker.demo.fake_service import JsonObject

# AWS's quota for standard queues.
MAX_IN_FLIGHT = 120_000
_A_MINUTE_S = 60


class Clock:
    """Seconds since 1970; a test may let hours pass."""

    def __init__(self) -> None:
        self._passed_s = 0.0
        self.on_change: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return time.time() + self._passed_s

    def pass_time(self, seconds: float) -> None:
        self._passed_s += seconds
        self.on_change()


@dataclass(frozen=True, slots=True)
class HandedOut:
    """One receive of a message."""

    message: Stored
    receipt_handle: str


class Broker:
    """Every method is one call of SQS, carried out as a whole; raises SqsError."""

    def __init__(self, clock: Clock, *, max_in_flight: int = MAX_IN_FLIGHT) -> None:
        self._clock = clock
        self._max_in_flight = max_in_flight
        self._changed = threading.Condition()
        self._queues: dict[str, Queue] = {}
        self._deleted: dict[str, float] = {}
        self._moves = Moves(self._queues)
        clock.on_change = self._wake

    @contextmanager
    def queue(self, name: str) -> Iterator[Queue]:
        """A queue as it is now, for this caller alone."""
        with self._changed:
            self._tick()
            found = self._queues.get(name)
            if found is None:
                raise sqs_errors.no_queue()
            found.tick(self._clock())
            yield found

    @contextmanager
    def _changing(self, name: str) -> Iterator[Queue]:
        """A queue to change, so that polls look at it again."""
        with self.queue(name) as queue:
            yield queue
            self._changed.notify_all()

    def create_queue(self, name: str, asked: Mapping[str, str]) -> Queue:
        with self._changed:
            now = self._clock()
            deleted_at = self._deleted.get(name)
            if deleted_at is not None and now - deleted_at < _A_MINUTE_S:
                raise sqs_errors.of_batch(
                    "QueueDeletedRecently",
                    "You must wait 60 seconds after deleting a queue before you can create"
                    " another with the same name.",
                )
            attributes = with_changes(DEFAULTS, asked)
            known = self._queues.get(name)
            if known is None:
                known = Queue(name, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}", now, attributes)
                known.modified_at = now
                known.redrive = self._redrive(attributes)
                self._queues[name] = known
            elif any(known.attributes.get(key) != attributes.get(key) for key in asked):
                raise sqs_errors.SqsError(
                    "QueueNameExists",
                    "A queue with this name and other attributes exists already.",
                    legacy="QueueAlreadyExists",
                )
            return known

    def delete_queue(self, name: str) -> None:
        with self._changing(name) as queue:
            del self._queues[queue.name]
            self._deleted[name] = self._clock()

    def names(self) -> list[str]:
        with self._changed:
            return sorted(self._queues)

    def sources_of(self, name: str) -> list[str]:
        """The queues whose dead letters go to this one."""
        with self.queue(name) as dlq:
            return self._sources(dlq)

    def set_attributes(self, name: str, asked: Mapping[str, str]) -> None:
        with self._changing(name) as queue:
            attributes = with_changes(queue.attributes, asked)
            queue.redrive = self._redrive(attributes)
            queue.attributes = attributes
            queue.modified_at = self._clock()

    def send(
        self,
        name: str,
        body: str,
        *,
        delay_s: int | None,
        attributes: Mapping[str, JsonObject],
        system_attributes: Mapping[str, JsonObject],
    ) -> Stored:
        with self._changing(name) as queue:
            now = self._clock()
            stored = Stored(str(uuid.uuid4()), body, now, attributes, system_attributes)
            delay = queue.setting("DelaySeconds") if delay_s is None else delay_s
            queue.put(stored, now, delay_s=delay)
            return stored

    def receive(
        self,
        name: str,
        *,
        most: int,
        wait_s: float | None,
        visibility_s: float | None,
        still_asked: Callable[[], bool] = lambda: True,
    ) -> list[HandedOut]:
        """Up to ``most`` messages, as soon as there is one; ``still_asked``: somebody listens."""
        with self._changed:
            started = self._clock()
            while True:
                # Where nobody hears the answer, another poll may have what it would bring.
                if not still_asked():
                    return []
                with self.queue(name) as queue:
                    if wait_s is None:
                        wait_s = queue.setting("ReceiveMessageWaitTimeSeconds")
                    taken = self._take(queue, most, visibility_s, polls_long=wait_s > 0)
                now = self._clock()
                if taken or now - started >= wait_s:
                    return taken
                self._changed.wait(self._until_next_change(queue, started + wait_s) - now)

    def delete(self, name: str, handle: str) -> None:
        """Succeeds with an old handle, and for a message that is gone, without doing anything."""
        with self._changing(name) as queue:
            stored, receive = self._of_handle(queue, handle)
            if stored is not None and receive == stored.receives:
                queue.delete(stored)

    def change_visibility(self, name: str, handle: str, seconds: int) -> None:
        with self._changing(name) as queue:
            now = self._clock()
            stored, receive = self._of_handle(queue, handle)
            if stored is None or receive != stored.receives or stored.state is not State.IN_FLIGHT:
                raise sqs_errors.not_in_flight(handle)
            if now - stored.received_at + seconds > MAX_VISIBILITY_S:
                raise sqs_errors.beyond_the_cap(seconds)
            queue.hide(stored, now, seconds)

    def purge(self, name: str) -> None:
        with self.queue(name) as queue:
            now = self._clock()
            if queue.purged_at is not None and now - queue.purged_at < _A_MINUTE_S:
                raise sqs_errors.of_batch(
                    "PurgeQueueInProgress",
                    f"Only one PurgeQueue operation on {name} is allowed every 60 seconds.",
                )
            queue.purge(now)

    def start_move(self, source_arn: str, destination: str | None, per_s: int | None) -> MoveTask:
        with self._changed:
            self._tick()
            source = self._by_arn(source_arn)
            if not self._sources(source):
                raise sqs_errors.SqsError(
                    "InvalidParameterValue",
                    "Source queue must be configured as a Dead Letter Queue.",
                )
            if destination is not None:
                self._by_arn(destination)
            with self._changing(source.name):
                return self._moves.start(source, destination, per_s, self._clock())

    def moves_of(self, source_arn: str) -> list[MoveTask]:
        """The tasks of a source, newest first."""
        with self._changed:
            self._tick()
            return self._moves.of(self._by_arn(source_arn))

    def cancel_move(self, handle: str) -> MoveTask:
        with self._changed:
            self._tick()
            return self._moves.cancel(handle)

    def _take(
        self, queue: Queue, most: int, visibility_s: float | None, *, polls_long: bool
    ) -> list[HandedOut]:
        now = self._clock()
        if visibility_s is None:
            visibility_s = queue.setting("VisibilityTimeout")
        taken: dict[str, HandedOut] = {}
        while len(taken) < most:
            stored = queue.next_visible()
            # One that is to be delivered twice comes with the next poll.
            if stored is None or stored.message_id in taken:
                break
            if queue.counts[State.IN_FLIGHT] >= self._max_in_flight:
                if not polls_long and not taken:
                    raise sqs_errors.over_limit(self._max_in_flight)
                break
            if self._is_dead(queue, stored):
                continue
            queue.hand_out(stored, now, visibility_s)
            taken[stored.message_id] = HandedOut(stored, _handle(queue, stored))
        return list(taken.values())

    def _is_dead(self, queue: Queue, stored: Stored) -> bool:
        """Whether the message was handed out often enough; it is on the other queue then."""
        if queue.redrive is None or stored.receives < queue.redrive.max_receives:
            return False
        dlq = self._queues.get(_name(queue.redrive.arn))
        if dlq is None:
            return False
        queue.remove(stored)
        # It keeps its id and the time it was sent: its age counts on.
        dlq.put(replace(stored, came_from=queue.arn, accident=None), self._clock())
        self._changed.notify_all()
        return True

    def _of_handle(self, queue: Queue, handle: str) -> tuple[Stored | None, int]:
        name, message_id, receive = _read_handle(handle)
        if name != queue.name:
            raise sqs_errors.not_a_handle()
        return queue.find(message_id), receive

    def _redrive(self, attributes: Mapping[str, str]) -> Redrive | None:
        redrive = redrive_of(attributes)
        if redrive is not None and not any(
            queue.arn == redrive.arn for queue in self._queues.values()
        ):
            raise sqs_errors.bad_value(
                redrive.arn, "RedrivePolicy", "Dead letter target does not exist."
            )
        return redrive

    def _sources(self, dlq: Queue) -> list[str]:
        return [
            queue.name
            for queue in self._queues.values()
            if queue.redrive is not None and queue.redrive.arn == dlq.arn
        ]

    def _by_arn(self, arn: str) -> Queue:
        queue = self._queues.get(_name(arn))
        if queue is None or queue.arn != arn:
            raise sqs_errors.SqsError(
                "ResourceNotFoundException", "The resource that you specified does not exist."
            )
        return queue

    def _tick(self) -> None:
        if self._moves.tick(self._clock()):
            self._changed.notify_all()

    def _until_next_change(self, queue: Queue, ends_at: float) -> float:
        changes = (queue.next_change(), self._moves.next_at())
        return min([ends_at, *(at for at in changes if at is not None)])

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _name(arn: str) -> str:
    return arn.rpartition(":")[2]


def _handle(queue: Queue, stored: Stored) -> str:
    text = f"{queue.name}:{stored.message_id}:{stored.receives}"
    return base64.b64encode(text.encode()).decode()


def _read_handle(handle: str) -> tuple[str, str, int]:
    """Queue, message id and the number of the receive."""
    try:
        name, message_id, receive = base64.b64decode(handle, validate=True).decode().split(":")
        return name, message_id, int(receive)
    except (binascii.Error, ValueError):
        raise sqs_errors.not_a_handle() from None
