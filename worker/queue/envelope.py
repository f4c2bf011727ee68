"""From the body of an SQS message to a job's payload: three shapes, with or without SNS around.

The body comes from outside and is read as such: its size and depth are bounded, and what JSON
leaves open (a key twice, NaN, half a character) is refused instead of read one way or another.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import uuid4

from worker.errors import MessageError
from worker.logs import logger
from worker.queue.moments import read_instant
from worker.queue.sqs import Message
from worker.settings import IMPACT_ASSESSMENT, KNOWN_JOB_TYPES

_log = logger(__name__)

Shape = Literal["job", "assessment", "quote"]
JsonObject = Mapping[str, object]

# A multipolygon inside a quote inside an SNS notification is 9 deep.
_MAX_DEPTH = 32
# The id goes into HTTP headers of ours and into every log line.
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:;=/+-]{1,128}")
# PostgreSQL stores neither a NUL nor half a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_JOB_TYPE = re.compile(r"[a-z0-9.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Envelope:
    """An opened message; ``body`` is the payload as it came, without the SNS notification.

    ``asked_at``: when it was published, the same however often it is received; None if neither it
    nor its queue says so.
    """

    shape: Shape
    job_type: str
    body: JsonObject
    correlation_id: str
    correlation_generated: bool
    asked_at: datetime | None


def open_envelope(
    message: Message,
    *,
    max_body_bytes: int,
    job_types: Collection[str] = KNOWN_JOB_TYPES,
    learned: Callable[[str], None] = lambda _: None,
) -> Envelope:
    """Read the body; raises MessageError with a code if no known job can be made out in it.

    ``learned`` is told the correlation id as soon as it is known, also if no job can be made out.
    """
    outer = _read_object(message.body, max_body_bytes)
    inner = _unwrapped(outer)
    correlation_id, generated = _correlation(message, outer, inner)
    learned(correlation_id)
    shape = _shape(inner)
    return Envelope(
        shape=shape,
        job_type=_job_type(shape, inner, job_types),
        body=inner,
        correlation_id=correlation_id,
        correlation_generated=generated,
        asked_at=_asked_at(message, outer),
    )


def correlation_of(message: Message) -> str:
    """The id to log a message under before it is opened: its attribute's, else a new one."""
    correlation_id, _ = _correlation(message, {}, {})
    return correlation_id


def _read_object(text: str, max_bytes: int) -> JsonObject:
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > max_bytes:
        raise MessageError(
            "message_too_large",
            f"The message has {size} bytes; at most {max_bytes} are accepted.",
        )
    value = read_json(text)
    if not isinstance(value, dict):
        raise MessageError("message_not_object", "The message is not a JSON object.")
    return value


def read_json(text: str) -> object:
    """JSON without what it leaves open; raises MessageError, which quotes nothing of the text."""
    try:
        value: object = json.loads(
            text,
            object_pairs_hook=_without_duplicates,
            parse_float=_finite,
            parse_constant=_refuse_constant,
        )
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        # The text of the error may quote the body.
        raise MessageError("message_not_json", "The message is not valid JSON.") from error
    _check_depth_and_text(value)
    return value


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return members


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _check_depth_and_text(value: object) -> None:
    level: list[object] = [value]
    depth = 0
    while level:
        if depth > _MAX_DEPTH:
            raise _too_deep()
        below: list[object] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item)
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
            elif isinstance(item, str) and _UNSTORABLE.search(item):
                raise MessageError(
                    "message_not_json", "The message contains text that is not Unicode."
                )
        level = below
        depth += 1


def _too_deep() -> MessageError:
    return MessageError(
        "message_too_deep", f"The message is nested more than {_MAX_DEPTH} levels deep."
    )


def _unwrapped(outer: JsonObject) -> JsonObject:
    if not _is_notification(outer):
        return outer
    text = outer["Message"]
    inner = read_json(text) if isinstance(text, str) else None
    if not isinstance(inner, dict):
        raise MessageError(
            "message_not_object", "The SNS notification does not carry a JSON object."
        )
    return inner


def _is_notification(outer: JsonObject) -> bool:
    return outer.get("Type") == "Notification" and "Message" in outer


def _shape(body: JsonObject) -> Shape:
    is_job = "jobType" in body
    marks: dict[Shape, bool] = {
        "job": is_job,
        "assessment": "job_id" in body or ("s3_input_key" in body and not is_job),
        "quote": "reference" in body or "boundaryGeojson" in body,
    }
    shapes = [shape for shape, present in marks.items() if present]
    if len(shapes) != 1:
        raise MessageError(
            "message_unrecognised",
            "The message mixes keys of several shapes."
            if shapes
            else "The message has the keys of no known shape.",
        )
    return shapes[0]


def _job_type(shape: Shape, body: JsonObject, known: Collection[str]) -> str:
    job_type = body["jobType"] if shape == "job" else IMPACT_ASSESSMENT
    if not isinstance(job_type, str) or job_type not in known:
        readable = isinstance(job_type, str) and _JOB_TYPE.fullmatch(job_type)
        raise MessageError(
            "job_type_unknown",
            "The job type is not one that this worker runs.",
            detail=f"jobType {job_type}" if readable else "jobType is not a name",
        )
    return job_type


def _correlation(message: Message, outer: JsonObject, inner: JsonObject) -> tuple[str, bool]:
    """(id, whether it is new); the first source that has a value decides, also if it is unfit."""
    sources: dict[str, object] = {
        "attribute": message.correlation_attribute,
        "sns": _sns_attribute(outer),
        "traceId": inner.get("traceId"),
    }
    for source, value in sources.items():
        if value is None or value == "":
            continue
        if isinstance(value, str) and _CORRELATION_ID.fullmatch(value):
            return value, False
        _log.warning("correlation.replaced", message_id=message.message_id, source=source)
        break
    # The same at every receive of the message, so that its lines stay together.
    if _CORRELATION_ID.fullmatch(message.message_id):
        return message.message_id, True
    return str(uuid4()), True


def _asked_at(message: Message, outer: JsonObject) -> datetime | None:
    """What was written when it was published, before what SQS says: moving a message sends it anew.

    Nothing was published after it was sent: a time to come would win over everything that follows.
    """
    published = read_instant(outer.get("Timestamp")) if _is_notification(outer) else None
    written = published or message.first_sent_at
    known = [at for at in (written, message.sent_at) if at is not None]
    return min(known, default=None)


def _sns_attribute(outer: JsonObject) -> object:
    attributes = outer.get("MessageAttributes")
    attribute = attributes.get("CorrelationId") if isinstance(attributes, dict) else None
    return attribute.get("Value") if isinstance(attribute, dict) else None
