"""A queue of one message that lives in this process: for a job that nobody sent over SQS."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from worker.queue.sqs import Message

# As the redrive policy of the real queue: the third receive is the last.
MAX_RECEIVES = 3


class SingleMessageQueue:
    """Hands out its message as SQS would, with visibility timeout and a limit of receives.

    A message that is released with a delay comes again after it; one that is released at once, for
    longer than ``patience_s`` seconds, or after the last receive, is over. ``wait`` sleeps that
    many seconds, less if a stop is asked for.
    """

    def __init__(
        self,
        message_id: str,
        body: str,
        correlation_id: str | None,
        *,
        wait: Callable[[float], bool],
        patience_s: float,
        max_receives: int = MAX_RECEIVES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._message = Message(
            message_id=message_id,
            receipt_handle="",
            body=body,
            receive_count=0,
            sent_at=datetime.now(UTC),
            correlation_attribute=correlation_id,
            received_monotonic=0.0,
        )
        self._wait = wait
        self._patience_s = patience_s
        self.max_receives = max_receives
        self._clock = clock
        # The keeper renews from a thread of its own.
        self._lock = threading.Lock()
        self._visible_at = clock()
        self._used_up = False
        self.deleted = False
        self.refused = False

    @property
    def exhausted(self) -> bool:
        """Whether the message will not be handed out again."""
        with self._lock:
            return self.deleted or self.refused or self._used_up

    def receive(self, *, max_messages: int, wait_s: int, visibility_s: int) -> tuple[Message, ...]:
        """The message, if it is visible within ``wait_s`` seconds."""
        del max_messages
        if self.exhausted:
            return ()
        if not self._is_visible():
            self._wait(min(float(wait_s), max(self._visible_at - self._clock(), 0.0)))
        with self._lock:
            now = self._clock()
            if now < self._visible_at:
                return ()
            if self._message.receive_count >= self.max_receives:
                self._used_up = True
                return ()
            self._visible_at = now + visibility_s
            self._message = replace(
                self._message,
                receive_count=self._message.receive_count + 1,
                received_monotonic=now,
            )
            return (self._message,)

    def delete(self, message: Message) -> None:
        """The job is done."""
        del message
        with self._lock:
            self.deleted = True

    def release(self, message: Message, seconds: int) -> int:
        """Hand the message out again in ``seconds``; 0 says that trying again would not help."""
        with self._lock:
            self._visible_at = self._clock() + seconds
            self.refused = seconds == 0
            last = message.receive_count >= self.max_receives
            self._used_up = last or seconds > self._patience_s
        return seconds

    def renew(self, message: Message, seconds: int) -> None:
        """Keep the message from being handed out again while its job runs."""
        del message
        with self._lock:
            self._visible_at = self._clock() + seconds

    def _is_visible(self) -> bool:
        with self._lock:
            return self._clock() >= self._visible_at
