"""The dead-letter queue: look through it, put messages back on their queue, throw them away.

A dead-letter queue has no redrive policy of its own, so that looking costs nothing. What was
looked at is hidden from other operators until ``DeadLetterQueue.browse`` gives it back.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.errors import WorkerError
from worker.logs import logger
from worker.queue.moments import first_sent
from worker.queue.sqs import Message, SqsQueue, read_message, translated, tries
from worker.settings import MAX_VISIBILITY_S

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient
    from types_boto3_sqs.type_defs import (
        ChangeMessageVisibilityBatchRequestEntryTypeDef,
        MessageAttributeValueOutputTypeDef,
        MessageAttributeValueTypeDef,
    )

_log = logger(__name__)

# A page of ten is worked through in seconds.
_HIDDEN_S = 60
# What was seen has to stay away until everything was seen. How long that takes shows on the way,
# so letters are hidden for a multiple of what the look has taken so far; those that come back in
# between are hidden once more, for longer.
_HIDDEN_FOR_EACH_S = 2
_PAGE = 10
# A long poll asks every server of the queue; a short one may miss messages that are there.
_WAIT_S = 1
# SQS takes no more with a message.
_MOST_ATTRIBUTES = 10


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message of the dead-letter queue with everything that has to go along with it."""

    message: Message
    attributes: Mapping[str, MessageAttributeValueTypeDef]

    @property
    def message_id(self) -> str:
        return self.message.message_id


@dataclass(frozen=True, slots=True)
class Look:
    """What a look through the queue has met: letters counted by SQS before it, and letters seen.

    SQS's figure is approximate. ``complete``: everything that nobody else held was seen.
    """

    counted: int
    seen: int
    complete: bool

    @property
    def overlooked(self) -> int:
        """About how many letters were there and not seen, although nothing was left to see."""
        return max(0, self.counted - self.seen) if self.complete else 0


class DeadLetterQueue:
    """A queue's dead letters; methods raise TransientError, ConfigurationFault or StaleReceipt.

    ``hidden_s``: for how long at least letters that are looked at are hidden from others.
    """

    def __init__(
        self, client: SQSClient, dlq_url: str, queue_url: str, *, hidden_s: int = _HIDDEN_S
    ) -> None:
        self._client = client
        self._url = dlq_url
        self._queue_url = queue_url
        self._queue = SqsQueue(client, dlq_url)
        self._hidden_s = hidden_s
        self._deleted: set[str] = set()
        self._look = Look(0, 0, complete=False)

    @property
    def look(self) -> Look:
        """The last look, as far as it has got."""
        return self._look

    def other(self) -> str | None:
        """The ARN of the queue that takes the dead letters instead of this one; None if none does.

        A queue without a redrive policy, which has no dead letters any more, may have left some.
        """
        arn = SqsQueue(self._client, self._queue_url).attributes().redrive.dead_letter_arn
        return None if arn is None or arn == self._queue.attributes().arn else arn

    @contextmanager
    def browse(self) -> Iterator[Iterator[DeadLetter]]:
        """The letters, each once, as pages of them arrive; the block's end gives them back.

        A letter stays hidden for a minute from its receipt, so act on it before asking for the
        next. One that somebody else is looking at is not seen; ``look`` tells how many were.
        """
        count = self._queue.attributes()
        counted = count.visible + count.in_flight + count.delayed
        seen: dict[str, DeadLetter] = {}
        try:
            yield self._letters(seen, counted)
        finally:
            self._give_back(seen.values())

    def send_back(self, letter: DeadLetter) -> str:
        """Put the letter on its queue with its body and attributes; returns its new message id.

        When it was first sent goes along as an attribute, if there is room for one more. It stays
        here too, until ``delete``. Tried once: a repeated send could put it there twice.
        """
        with translated():
            answer = self._client.send_message(
                QueueUrl=self._queue_url,
                MessageBody=letter.message.body,
                MessageAttributes={**_first_sent(letter), **letter.attributes},
            )
        return answer["MessageId"]

    def delete(self, letter: DeadLetter) -> None:
        """Take the letter off the dead-letter queue for good."""
        self._queue.delete(letter.message)
        self._deleted.add(letter.message_id)

    def _letters(self, seen: dict[str, DeadLetter], counted: int) -> Iterator[DeadLetter]:
        began = time.monotonic()
        self._look = Look(counted, 0, complete=False)
        while page := self._page(time.monotonic() - began):
            # What has come back into sight was here before: its newer receipt gives it back.
            # SQS may hand a letter out twice in one page, too.
            latest = {letter.message_id: letter for letter in page}
            fresh = [letter for one, letter in latest.items() if one not in seen]
            seen.update(latest)
            self._look = Look(counted, len(seen), complete=False)
            yield from fresh
        self._look = Look(counted, len(seen), complete=True)

    def _page(self, looked_s: float) -> list[DeadLetter]:
        hidden_s = max(self._hidden_s, math.ceil(_HIDDEN_FOR_EACH_S * looked_s))
        for attempt in tries():
            with attempt, translated():
                answer = self._client.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=_PAGE,
                    WaitTimeSeconds=_WAIT_S,
                    VisibilityTimeout=min(hidden_s, MAX_VISIBILITY_S),
                    MessageAttributeNames=["All"],
                    MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
                )
        now = time.monotonic()
        return [
            DeadLetter(read_message(raw, now), _attributes(raw.get("MessageAttributes", {})))
            for raw in answer.get("Messages", ())
        ]

    def _give_back(self, letters: Iterable[DeadLetter]) -> None:
        ours = [letter for letter in letters if letter.message_id not in self._deleted]
        for start in range(0, len(ours), _PAGE):
            entries: list[ChangeMessageVisibilityBatchRequestEntryTypeDef] = [
                {
                    "Id": str(number),
                    "ReceiptHandle": letter.message.receipt_handle,
                    "VisibilityTimeout": 0,
                }
                for number, letter in enumerate(ours[start : start + _PAGE])
            ]
            try:
                with translated():
                    answer = self._client.change_message_visibility_batch(
                        QueueUrl=self._url, Entries=entries
                    )
                refused = answer.get("Failed", ())
                code = refused[0]["Code"] if refused else ""
                kept = len(refused)
            except WorkerError as error:
                code, kept = error.code, len(entries)
            if kept:
                # They come back into sight by themselves.
                _log.warning("dlq.not_given_back", error_code=code, letters=kept)


def _first_sent(letter: DeadLetter) -> dict[str, MessageAttributeValueTypeDef]:
    sent_at = letter.message.sent_at
    if sent_at is None or len(letter.attributes) >= _MOST_ATTRIBUTES:
        return {}
    return first_sent(sent_at)


def _attributes(
    raw: Mapping[str, MessageAttributeValueOutputTypeDef],
) -> dict[str, MessageAttributeValueTypeDef]:
    """The attributes as SendMessage takes them: of both kinds of value, the one that is set."""
    attributes: dict[str, MessageAttributeValueTypeDef] = {}
    for name, value in raw.items():
        attributes[name] = {"DataType": value["DataType"]}
        if "BinaryValue" in value:
            attributes[name]["BinaryValue"] = value["BinaryValue"]
        else:
            attributes[name]["StringValue"] = value.get("StringValue", "")
    return attributes
