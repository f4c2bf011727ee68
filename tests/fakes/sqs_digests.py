"""MD5 digests of bodies and attributes, as SQS sends them for clients to check."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Mapping

from worker.demo.fake_service import JsonObject

_TEXT, _BINARY = b"\x01", b"\x02"


def digest(data: str | bytes) -> str:
    """The MD5 of a body, in hexadecimal."""
    encoded = data.encode() if isinstance(data, str) else data
    return hashlib.md5(encoded, usedforsecurity=False).hexdigest()


def attributes_digest(attributes: Mapping[str, JsonObject]) -> str:
    """The MD5 over names, types and values, each with its length before it, sorted by name.

    Source: "Calculating the MD5 message digest for message attributes" in the developer guide.
    """
    parts: list[bytes] = []
    for name in sorted(attributes):
        value = attributes[name]
        parts += [_sized(name.encode()), _sized(str(value["DataType"]).encode())]
        if "BinaryValue" in value:
            parts += [_BINARY, _sized(base64.b64decode(str(value["BinaryValue"])))]
        else:
            parts += [_TEXT, _sized(str(value["StringValue"]).encode())]
    return digest(b"".join(parts))


def _sized(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
