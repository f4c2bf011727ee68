"""Faults of SQS that no emulator has, put in front of a real client with botocore's hooks."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders

if TYPE_CHECKING:
    from types_boto3_sqs.client import SQSClient


class _Body(io.BytesIO):
    def stream(self) -> Iterator[bytes]:
        yield self.read()


@dataclass
class Fault:
    """Answers calls of one operation with an error; ``times`` of them, or all if None."""

    status: int
    code: str
    text: str = ""
    legacy_code: str | None = None
    times: int | None = None
    calls: int = 0

    def put_before(self, client: SQSClient, operation: str) -> Fault:
        # The stubs know no handler that answers in the place of the service.
        client.meta.events.register(f"before-send.sqs.{operation}", self._answer)  # type: ignore[arg-type]
        return self

    def _answer(self, request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
        self.calls += 1
        if self.times is not None and self.calls > self.times:
            return None
        headers = HTTPHeaders()
        headers["content-type"] = "application/x-amz-json-1.0"
        if self.legacy_code:
            headers["x-amzn-query-error"] = f"{self.legacy_code};Sender"
        body = json.dumps({"__type": f"com.amazonaws.sqs#{self.code}", "message": self.text})
        return AWSResponse(request.url, self.status, headers, _Body(body.encode()))
