"""Message move tasks of the SQS double: dead letters on their way to a queue, at a pace."""

from __future__ import annotations

import base64
import json
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from tests.fakes import sqs_errors
from tests.fakes.sqs_queue import Queue, State, Stored

# AWS chooses a pace of its own where none is given; this is the most that may be asked for.
MAX_PER_S = 500


@dataclass(eq=False)
class MoveTask:
    """One task; without ``destination_arn`` every message goes to where it came from."""

    source: Queue
    destination_arn: str | None
    per_s: int | None
    started_at: float
    to_move: int
    handle: str
    moved: int = 0
    status: str = "RUNNING"
    failure: str | None = None

    @property
    def running(self) -> bool:
        return self.status == "RUNNING"

    def due(self, now: float) -> int:
        """How many more messages should have been moved by now."""
        return int((now - self.started_at) * self._pace) - self.moved

    def next_at(self) -> float:
        """When the next message is due."""
        return self.started_at + (self.moved + 1) / self._pace

    @property
    def _pace(self) -> int:
        return self.per_s or MAX_PER_S


class Moves:
    """All tasks; ``queues`` are the broker's, by name, and its lock guards every call."""

    def __init__(self, queues: Mapping[str, Queue]) -> None:
        self._queues = queues
        self._tasks: deque[MoveTask] = deque(maxlen=100)

    def start(
        self, source: Queue, destination_arn: str | None, per_s: int | None, now: float
    ) -> MoveTask:
        if any(task.source is source and task.running for task in self._tasks):
            raise sqs_errors.SqsError(
                "InvalidParameterValue",
                "There is already a task running. Only one active task is allowed for a"
                " source queue arn at a given time.",
            )
        text = json.dumps({"taskId": str(uuid.uuid4()), "sourceArn": source.arn})
        handle = base64.b64encode(text.encode()).decode()
        to_move = source.counts[State.VISIBLE]
        task = MoveTask(source, destination_arn, per_s, now, to_move, handle)
        self._tasks.append(task)
        return task

    def of(self, source: Queue) -> list[MoveTask]:
        """The tasks of a source, newest first."""
        return [task for task in reversed(self._tasks) if task.source is source]

    def cancel(self, handle: str) -> MoveTask:
        """What was moved stays moved."""
        for task in self._tasks:
            if task.handle == handle and task.running:
                task.status = "CANCELLED"
                return task
        raise sqs_errors.SqsError("ResourceNotFoundException", "No such task is running.")

    def tick(self, now: float) -> bool:
        """Move what should have been moved by now; returns whether anything was."""
        moved = False
        for task in self._tasks:
            due = task.due(now) if task.running else 0
            while due > 0 and self._move_one(task, now):
                moved = True
                due -= 1
        return moved

    def next_at(self) -> float | None:
        """When a running task moves its next message."""
        return min((task.next_at() for task in self._tasks if task.running), default=None)

    def _move_one(self, task: MoveTask, now: float) -> bool:
        task.source.tick(now)
        stored = task.source.next_visible()
        if stored is None:
            task.status = "COMPLETED"
            return False
        # One that was sent to the dead letters itself has come from nowhere.
        arn = task.destination_arn or stored.came_from
        target = self._queues.get(arn.rpartition(":")[2]) if arn else None
        if target is None:
            task.status, task.failure = "FAILED", "CouldNotDetermineMessageSource"
            return False
        task.source.remove(stored)
        # For the other queue it is a new message, its age and its receives included.
        moved = Stored(
            str(uuid.uuid4()), stored.body, now, stored.attributes, stored.system_attributes
        )
        target.put(moved, now)
        task.moved += 1
        return True
