"""Takes secrets, personal data and the contents of messages out of what is written."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from structlog.typing import EventDict, WrappedLogger

MASKED = "[redacted]"

_SECRET_KEYS = re.compile(
    r"(?i)(authori[sz]ation|cookie|password|passwd|secret|token|api[-_]?key|credential|receipt)"
)
# Fields that carry whole payloads; the body of a message never reaches a log.
_BODY_KEYS = frozenset({"body", "payload", "geometry", "boundaryGeojson", "personalisation"})

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NUMBER = r"-?\d{1,12}(?:\.\d{0,30})?(?:[eE][+-]?\d{1,3})?"
# Repetitions are bounded where they could start anywhere: a long text must not cost its square.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # PostgreSQL quotes the row that it refuses, and pydantic the value: both may be a payload.
    (re.compile(r"(?s)(Failing row contains) \(.*?(?:\)\.(?=\n|\Z)|\Z)"), rf"\1 {MASKED}"),
    (re.compile(r"(JSON data, line \d+: ).*"), rf"\1{MASKED}"),
    (re.compile(r"(\$\d+ = )'(?:[^']|'')*'"), rf"\1{MASKED}"),
    (re.compile(r"(?s)\binput_value=.{0,400}?, input_type="), f"input_value={MASKED}, input_type="),
    # Up to the last @ of the word, since a password may hold one.
    (
        re.compile(r"([a-z][a-z0-9+.-]{0,30}://[^\s:/@]{0,256}):[^\s'\"]{0,2000}@"),
        rf"\1:{MASKED}@",
    ),
    # A proxy may be given a token without a password.
    (re.compile(r"(?i)(https?://)[^\s/@'\"]{1,512}@"), rf"\1{MASKED}@"),
    (
        re.compile(
            # A backslash or, in SQL, another quote escapes one; the last of them may be cut off.
            r"(?is)((?:password|passwd|pwd|secret|token|api[-_]?key)[\w-]{0,40})['\"]?\s*[=:]\s*"
            r"(?:'(?:[^'\\]|''|\\.)*(?:'|\\?\Z)|\"(?:[^\"\\]|\\.)*(?:\"|\\?\Z)|[^\s&,]+)"
        ),
        rf"\1={MASKED}",
    ),
    (
        re.compile(r"(?i)\b(authorization)['\"]?\s*[=:]\s*['\"]?(?:\w+\s+)?[^\s'\",]+"),
        rf"\1={MASKED}",
    ),
    (re.compile(r"(?i)\bbearer\s+[\w.~+/=-]+"), f"Bearer {MASKED}"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), MASKED),
    (re.compile(r"(?i)(X-Amz-(?:Signature|Security-Token|Credential))=[^&\s]+"), rf"\1={MASKED}"),
    # A key of GOV.UK Notify ends in two UUIDs, of the service and of the secret.
    (re.compile(rf"(?i)\b{_UUID}-{_UUID}\b"), MASKED),
    # Receipt handles, session tokens: nothing that people read is that long without a break.
    (re.compile(r"[A-Za-z0-9+/=_-]{120,}"), MASKED),
    (re.compile(r"[\w.+'-]{1,64}@[\w-]+(?:\.[\w-]+)+"), "[e-mail]"),
    # A site's place: pairs of GeoJSON, and everything between the brackets of well-known text.
    (re.compile(rf"\[\s*{_NUMBER}\s*,\s*{_NUMBER}(?:\s*,\s*{_NUMBER})?\s*\]"), "[coordinates]"),
    (
        re.compile(
            r"(?i)\b((?:multi)?(?:point|linestring|polygon)(?: [zm]{1,2})?) ?\([-\d(][-\d.,()\se+]*"
        ),
        r"\1 [coordinates]",
    ),
)


def redact(text: str) -> str:
    """``text`` without secrets, personal data, outlines, and what PostgreSQL takes in no text.

    Those are NULs and halves of surrogate pairs, which JSON may hold by themselves. Of places, what
    GeoJSON and well-known text hold: the one point at which a sentence says that an outline crosses
    itself stays, since without it nobody finds the error in the file.
    """
    text = text.replace("\x00", "").encode(errors="ignore").decode()
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def redact_event(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """structlog's processor: every value of the event, whoever wrote it."""
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: str, value: object) -> object:
    if key in _BODY_KEYS or _SECRET_KEYS.search(key):
        return MASKED
    match value:
        case str():
            return redact(value)
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {str(name): _redacted(str(name), item) for name, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_redacted(key, item) for item in value]
        case _:
            return redact(str(value))
