"""The calls of SQS's JSON protocol on the double: members in, members out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

from tests.fakes import sqs_errors
from tests.fakes.sqs_broker import Broker, HandedOut
from tests.fakes.sqs_digests import attributes_digest, digest
from tests.fakes.sqs_moves import MAX_PER_S, MoveTask
from tests.fakes.sqs_queue import Queue, State, Stored
from tests.fakes.sqs_requests import Request, message_size, wanted
from tests.fakes.sqs_settings import COUNTED, READABLE
from worker.demo.fake_service import JsonObject

_MOST_BYTES = 1_048_576
_MOST_LISTED = 1000
_SENDER = "AIDAIT2UOQQY3AUEKVGXU"

Answer = dict[str, object]
EntryCall = Callable[[Request], Answer]


class Operations:
    """Calls by name; ``url_of`` makes a queue's address.

    ``failing_entries``: positions in the next batch that end in an InternalError, undone.
    """

    def __init__(self, broker: Broker, url_of: Callable[[str], str]) -> None:
        self._broker = broker
        self._url_of = url_of
        self.failing_entries: frozenset[int] = frozenset()
        self._calls: Mapping[str, Callable[[Request], Answer]] = {
            "CancelMessageMoveTask": self._cancel_move,
            "ChangeMessageVisibility": self._change_visibility,
            "ChangeMessageVisibilityBatch": self._change_visibility_batch,
            "CreateQueue": self._create_queue,
            "DeleteMessage": self._delete,
            "DeleteMessageBatch": self._delete_batch,
            "DeleteQueue": self._delete_queue,
            "GetQueueAttributes": self._get_attributes,
            "GetQueueUrl": self._get_url,
            "ListDeadLetterSourceQueues": self._list_sources,
            "ListMessageMoveTasks": self._list_moves,
            "ListQueues": self._list_queues,
            "PurgeQueue": self._purge,
            "SendMessage": self._send,
            "SendMessageBatch": self._send_batch,
            "SetQueueAttributes": self._set_attributes,
            "StartMessageMoveTask": self._start_move,
        }

    def call(self, operation: str, members: JsonObject, still_asked: Callable[[], bool]) -> Answer:
        """Carry a call out; raises SqsError."""
        request = Request(members)
        if operation == "ReceiveMessage":
            return self._receive(request, still_asked)
        call = self._calls.get(operation)
        if call is None:
            raise sqs_errors.SqsError(
                "UnsupportedOperation", "Unsupported operation.", legacy="UnsupportedOperation"
            )
        return call(request)

    def _create_queue(self, request: Request) -> Answer:
        name = request.text("QueueName")
        if name.endswith(".fifo"):
            raise sqs_errors.SqsError("UnsupportedOperation", "The double has no FIFO queues.")
        queue = self._broker.create_queue(name, request.texts("Attributes"))
        return {"QueueUrl": self._url_of(queue.name)}

    def _get_url(self, request: Request) -> Answer:
        with self._broker.queue(request.text("QueueName")) as queue:
            return {"QueueUrl": self._url_of(queue.name)}

    def _delete_queue(self, request: Request) -> Answer:
        self._broker.delete_queue(request.queue)
        return {}

    def _purge(self, request: Request) -> Answer:
        self._broker.purge(request.queue)
        return {}

    def _list_queues(self, request: Request) -> Answer:
        prefix = request.text_or_none("QueueNamePrefix") or ""
        names = [name for name in self._broker.names() if name.startswith(prefix)]
        return self._page(request, names, "QueueUrls")

    def _list_sources(self, request: Request) -> Answer:
        return self._page(request, self._broker.sources_of(request.queue), "queueUrls")

    def _page(self, request: Request, names: list[str], member: str) -> Answer:
        most = request.number("MaxResults", 1, _MOST_LISTED)
        first = int(request.text_or_none("NextToken") or 0)
        after = first + (most or _MOST_LISTED)
        answer: Answer = {member: [self._url_of(name) for name in names[first:after]]}
        # Without MaxResults SQS answers no token either.
        if most is not None and after < len(names):
            answer["NextToken"] = str(after)
        return answer

    def _get_attributes(self, request: Request) -> Answer:
        names = request.names("AttributeNames")
        unknown = names - READABLE
        if unknown:
            raise sqs_errors.SqsError("InvalidAttributeName", f"Unknown Attribute {min(unknown)}.")
        with self._broker.queue(request.queue) as queue:
            attributes = _described(queue)
        if "All" not in names:
            attributes = {name: value for name, value in attributes.items() if name in names}
        return {"Attributes": attributes} if attributes else {}

    def _set_attributes(self, request: Request) -> Answer:
        self._broker.set_attributes(request.queue, request.texts("Attributes"))
        return {}

    def _send(self, request: Request) -> Answer:
        return self._send_one(request.queue, request)

    def _send_batch(self, request: Request) -> Answer:
        entries = request.entries(of="SendMessageBatch")
        size = sum(message_size(entry.body, entry.attributes()) for entry in entries)
        if size > _MOST_BYTES:
            raise sqs_errors.of_batch(
                "BatchRequestTooLong",
                f"Batch requests cannot be longer than {_MOST_BYTES} bytes."
                f" You have sent {size} bytes.",
            )
        return self._each(entries, lambda entry: self._send_one(request.queue, entry))

    def _send_one(self, queue_name: str, request: Request) -> Answer:
        body, attributes = request.body, request.attributes()
        system = request.attributes("MessageSystemAttributes")
        with self._broker.queue(queue_name) as queue:
            limit = queue.setting("MaximumMessageSize")
        if message_size(body, attributes) > limit:
            raise sqs_errors.SqsError(
                "InvalidParameterValue",
                "One or more parameters are invalid. Reason: Message must be shorter than"
                f" {limit} bytes.",
            )
        stored = self._broker.send(
            queue_name,
            body,
            delay_s=request.delay_s,
            attributes=attributes,
            system_attributes=system,
        )
        answer: Answer = {"MessageId": stored.message_id, "MD5OfMessageBody": digest(body)}
        if attributes:
            answer["MD5OfMessageAttributes"] = attributes_digest(attributes)
        if system:
            answer["MD5OfMessageSystemAttributes"] = attributes_digest(system)
        return answer

    def _receive(self, request: Request, still_asked: Callable[[], bool]) -> Answer:
        handed_out = self._broker.receive(
            request.queue,
            most=request.number("MaxNumberOfMessages", 1, 10) or 1,
            wait_s=request.wait_s,
            visibility_s=request.visibility_s,
            still_asked=still_asked,
        )
        system = request.names("AttributeNames", "MessageSystemAttributeNames")
        names = request.names("MessageAttributeNames")
        if not handed_out:
            return {}
        return {"Messages": [_message(one, system, names) for one in handed_out]}

    def _delete(self, request: Request) -> Answer:
        self._broker.delete(request.queue, request.text("ReceiptHandle"))
        return {}

    def _delete_batch(self, request: Request) -> Answer:
        def delete(entry: Request) -> Answer:
            self._broker.delete(request.queue, entry.text("ReceiptHandle"))
            return {}

        return self._each(request.entries(of="DeleteMessageBatch"), delete)

    def _change_visibility(self, request: Request) -> Answer:
        return self._change_one(request.queue, request)

    def _change_visibility_batch(self, request: Request) -> Answer:
        entries = request.entries(of="ChangeMessageVisibilityBatch")
        return self._each(entries, lambda entry: self._change_one(request.queue, entry))

    def _change_one(self, queue_name: str, request: Request) -> Answer:
        seconds = request.visibility_s
        if seconds is None:
            raise sqs_errors.missing("VisibilityTimeout")
        self._broker.change_visibility(queue_name, request.text("ReceiptHandle"), seconds)
        return {}

    def _each(self, entries: Iterable[Request], call: EntryCall) -> Answer:
        """Every entry on its own: what fails is reported beside what succeeds."""
        failing, self.failing_entries = self.failing_entries, frozenset()
        successful: list[Answer] = []
        failed: list[Answer] = []
        for position, entry in enumerate(entries):
            name = entry.text("Id")
            if position in failing:
                failed.append(_failed(name, "InternalError", "Try again.", is_senders=False))
                continue
            try:
                successful.append({"Id": name, **call(entry)})
            except sqs_errors.SqsError as error:
                if error.code == "QueueDoesNotExist":
                    raise
                failed.append(_failed(name, error.legacy, error.message, is_senders=True))
        return {"Successful": successful, "Failed": failed}

    def _start_move(self, request: Request) -> Answer:
        task = self._broker.start_move(
            request.text("SourceArn"),
            request.text_or_none("DestinationArn"),
            request.number("MaxNumberOfMessagesPerSecond", 1, MAX_PER_S),
        )
        return {"TaskHandle": task.handle}

    def _list_moves(self, request: Request) -> Answer:
        most = request.number("MaxResults", 1, 10) or 1
        tasks = self._broker.moves_of(request.text("SourceArn"))
        return {"Results": [_task(task) for task in tasks[:most]]}

    def _cancel_move(self, request: Request) -> Answer:
        task = self._broker.cancel_move(request.text("TaskHandle"))
        return {"ApproximateNumberOfMessagesMoved": task.moved}


def _described(queue: Queue) -> dict[str, str]:
    states = dict(zip(COUNTED, (State.DELAYED, State.VISIBLE, State.IN_FLIGHT), strict=True))
    described = {
        **queue.attributes,
        "QueueArn": queue.arn,
        "CreatedTimestamp": str(int(queue.created_at)),
        "LastModifiedTimestamp": str(int(queue.modified_at)),
    }
    for kind, state in states.items():
        described[f"ApproximateNumberOfMessages{kind}"] = str(queue.counts[state])
    if queue.redrive is not None:
        # Whatever the client has put into it: a number.
        described["RedrivePolicy"] = json.dumps(
            {
                "deadLetterTargetArn": queue.redrive.arn,
                "maxReceiveCount": queue.redrive.max_receives,
            }
        )
    return described


def _message(one: HandedOut, system: frozenset[str], names: frozenset[str]) -> Answer:
    stored = one.message
    answer: Answer = {
        "MessageId": stored.message_id,
        "ReceiptHandle": one.receipt_handle,
        "MD5OfBody": digest(stored.body),
        "Body": stored.body,
    }
    told = _system_attributes(stored)
    if "All" not in system:
        told = {name: value for name, value in told.items() if name in system}
    if told:
        answer["Attributes"] = told
    attributes = wanted(stored.attributes, names)
    if attributes:
        answer["MessageAttributes"] = attributes
        answer["MD5OfMessageAttributes"] = attributes_digest(attributes)
    return answer


def _system_attributes(stored: Stored) -> dict[str, str]:
    told = {
        "SenderId": _SENDER,
        "SentTimestamp": _milliseconds(stored.sent_at),
        "ApproximateReceiveCount": str(stored.receives),
        "ApproximateFirstReceiveTimestamp": _milliseconds(stored.first_received_at or 0.0),
        **{name: str(value["StringValue"]) for name, value in stored.system_attributes.items()},
    }
    if stored.came_from is not None:
        told["DeadLetterQueueSourceArn"] = stored.came_from
    return told


def _task(task: MoveTask) -> Answer:
    told: Answer = {
        "Status": task.status,
        "SourceArn": task.source.arn,
        "ApproximateNumberOfMessagesMoved": task.moved,
        "ApproximateNumberOfMessagesToMove": task.to_move,
        "StartedTimestamp": int(task.started_at * 1000),
    }
    optional: Answer = {
        "TaskHandle": task.handle if task.running else None,
        "DestinationArn": task.destination_arn,
        "MaxNumberOfMessagesPerSecond": task.per_s,
        "FailureReason": task.failure,
    }
    return told | {name: value for name, value in optional.items() if value is not None}


def _failed(name: str, code: str, message: str, *, is_senders: bool) -> Answer:
    return {"Id": name, "SenderFault": is_senders, "Code": code, "Message": message}


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
