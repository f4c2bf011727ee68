"""The hash that tells whether two payloads ask for the same work."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from hashlib import sha256


def payload_hash(payload: Mapping[str, object], job_type: str) -> str:
    """SHA-256 (hex) of a validated payload and its type.

    Equal for payloads that differ in the order of keys, in white space, or in writing 20 as 20.0.
    """
    text = json.dumps(
        _normalised(payload), ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )
    return _hex(_hex(text) + job_type)


def _normalised(value: object) -> object:
    match value:
        case bool() | int():
            return value
        case float():
            if not math.isfinite(value):
                return None
            return int(value) if value.is_integer() else value
        case str():
            return " ".join(value.split())
        case Mapping():
            return {str(key).strip(): _normalised(item) for key, item in value.items()}
        case list() | tuple():
            return [_normalised(item) for item in value]
        case _:
            return None


def _hex(text: str) -> str:
    return sha256(text.encode()).hexdigest()
