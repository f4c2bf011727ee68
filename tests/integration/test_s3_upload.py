"""Objects appear whole or not at all, whatever happens to their parts."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.fakes.aws_proxy import AwsProxy, Call, Fault, Refusal
from worker import logs
from worker.clients import s3_upload
from worker.clients.s3_calls import Caller
from worker.clients.s3_upload import OutputStore, UploadedObject
from worker.demo.aws import AwsEmulator
from worker.demo.fake_service import FakeService, Received, Reply
from worker.errors import ConfigurationFault, Interrupted, PermanentError, TransientError
from worker.settings import AwsSettings, RuntimeSettings

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

KEY = "export/water.tgz"
PART = 5 * 1024**2
CONTENT = bytes(range(256)) * (2 * PART // 256) + b"the rest"


class World:
    """A bucket behind a proxy, and the store that writes to it."""

    def __init__(self, proxy: AwsProxy, bucket: str) -> None:
        self.proxy = proxy
        self.bucket = bucket
        self.s3: S3Client = proxy.emulator.s3
        settings = AwsSettings(
            s3_output_bucket=bucket, aws_endpoint_url=proxy.url, s3_upload_part_bytes=PART
        )
        self.store = OutputStore(settings)

    def upload(self, content: bytes = CONTENT, *, piece: int = 700_000) -> UploadedObject:
        with self.store.upload(KEY, content_type="application/gzip") as upload:
            for start in range(0, len(content), piece):
                upload.write(content[start : start + piece])
            return upload.complete()

    def content(self) -> bytes:
        return self.s3.get_object(Bucket=self.bucket, Key=KEY)["Body"].read()

    def is_untouched(self) -> bool:
        listed = self.s3.list_objects_v2(Bucket=self.bucket)
        uploads = self.s3.list_multipart_uploads(Bucket=self.bucket)
        return "Contents" not in listed and "Uploads" not in uploads


@pytest.fixture
def world(aws: AwsEmulator, bucket: str) -> Iterator[World]:
    with AwsProxy(aws) as proxy:
        yield World(proxy, bucket)


def part(number: int, fault: Fault | None = None, *, times: int = 1_000) -> AwsProxyFault:
    return AwsProxyFault(number, fault or Refusal(500, "InternalError"), times)


class AwsProxyFault:
    """What happens to the first ``times`` calls that bring one part."""

    def __init__(self, number: int, fault: Fault, times: int) -> None:
        self._number = number
        self._fault = fault
        self._times = times
        self.calls = 0

    def __call__(self, call: Call) -> Fault | None:
        if f"partNumber={self._number}" not in call.query:
            return None
        self.calls += 1
        return self._fault if self.calls <= self._times else None


def test_an_object_of_several_parts_is_what_was_written(world: World) -> None:
    uploaded = world.upload()

    assert world.content() == CONTENT
    assert (uploaded.key, uploaded.size) == (KEY, len(CONTENT))
    assert uploaded.sha256 == hashlib.sha256(CONTENT).hexdigest()
    parts = [call for call in world.proxy.calls if "partNumber" in call.query]
    assert len(parts) == 3


@pytest.mark.parametrize("content", [b"", b"x", bytes(PART), bytes(2 * PART)])
def test_parts_end_where_they_may(world: World, content: bytes) -> None:
    assert world.upload(content, piece=PART * 2).size == len(content)
    assert world.content() == content


def test_a_part_that_fails_once_is_sent_again(world: World) -> None:
    world.proxy.fault = part(2, times=1)
    world.upload()
    assert world.content() == CONTENT


def test_a_part_that_keeps_failing_leaves_nothing(world: World) -> None:
    world.proxy.fault = fault = part(2)
    with pytest.raises(TransientError) as raised:
        world.upload()
    assert raised.value.code == "s3_unavailable"
    assert fault.calls == 5
    assert world.is_untouched()


def test_an_upload_that_is_given_up_leaves_nothing_and_keeps_the_old_object(world: World) -> None:
    world.s3.put_object(Bucket=world.bucket, Key=KEY, Body=b"old")
    with pytest.raises(OSError, match="disk"), world.store.upload(KEY, content_type="x/y") as new:
        new.write(CONTENT)
        raise OSError("disk")
    assert world.content() == b"old"
    assert "Uploads" not in world.s3.list_multipart_uploads(Bucket=world.bucket)


def test_a_failed_abort_hides_no_error(world: World) -> None:
    def fault(call: Call) -> Fault | None:
        return Refusal(403, "AccessDenied") if call.method == "DELETE" else None

    world.proxy.fault = fault
    with pytest.raises(OSError, match="disk"), world.store.upload(KEY, content_type="x/y") as new:
        new.write(CONTENT)
        raise OSError("disk")


def test_a_stop_does_not_wait_for_an_answer(world: World) -> None:
    asked, answer = threading.Event(), threading.Event()

    def hang(call: Call) -> Fault | None:
        if "partNumber" in call.query:
            asked.set()
            answer.wait(30)
        return None

    def checkpoint() -> None:
        if asked.is_set():
            raise Interrupted("stop_requested", "Stop.")

    world.proxy.fault = hang
    started = time.monotonic()
    with (
        pytest.raises(Interrupted),
        world.store.upload(KEY, content_type="x/y", checkpoint=checkpoint) as upload,
    ):
        upload.write(CONTENT)
    taken = time.monotonic() - started
    answer.set()
    assert taken < 30
    assert "Uploads" not in world.s3.list_multipart_uploads(Bucket=world.bucket)


@pytest.mark.usefixtures("own_logging")
def test_what_the_sdk_logs_during_a_call_tells_the_job(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(RuntimeSettings(log_format="json"))

    with logs.correlated("trace-export"):
        logs.about(job_id="water.export:1")
        Caller("bucket", lambda: None)(
            lambda: logging.getLogger("botocore.credentials").warning("Refresh failed.")
        )

    (line,) = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert line["message"] == "Refresh failed."
    assert (line["correlation_id"], line["job_id"]) == ("trace-export", "water.export:1")


class StrictS3(FakeService):
    """Takes one upload and checks every checksum, which the emulator does not."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: dict[str, bytes] = {}
        self.listed: list[str] = []
        self.damage = b""

    def answer(self, request: Received) -> Reply:
        if request.method == "PUT":
            digest = hashlib.sha256(request.body).digest()
            if request.headers.get("x-amz-checksum-sha256") != base64.b64encode(digest).decode():
                return Reply(400, "<Error><Code>BadDigest</Code></Error>")
            self.parts[request.query["partNumber"]] = digest
            return Reply(200, headers={"etag": f'"{digest.hex()}"'})
        if request.method == "DELETE":
            return Reply(204)
        if "uploadId" not in request.query:
            return Reply(200, "<R><UploadId>1</UploadId></R>")
        self.listed = re.findall(r"<ChecksumSHA256>([^<]+)<", request.body.decode())
        whole = hashlib.sha256(b"".join(self.parts.values()) + self.damage).digest()
        checksum = f"{base64.b64encode(whole).decode()}-{len(self.parts)}"
        return Reply(200, f"<R><ChecksumSHA256>{checksum}</ChecksumSHA256></R>")


@pytest.fixture
def strict() -> Iterator[StrictS3]:
    with StrictS3() as service:
        yield service


def upload_to(service: StrictS3, content: bytes) -> UploadedObject:
    store = OutputStore(
        AwsSettings(
            s3_output_bucket="strict", aws_endpoint_url=service.url, s3_upload_part_bytes=PART
        )
    )
    with store.upload(KEY, content_type="x/y") as upload:
        upload.write(content)
        return upload.complete()


@pytest.mark.usefixtures("aws")
def test_s3_can_check_each_part_and_the_whole(strict: StrictS3) -> None:
    uploaded = upload_to(strict, CONTENT)

    assert uploaded.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert len(strict.parts) == 3
    assert strict.listed == [base64.b64encode(part).decode() for part in strict.parts.values()]


@pytest.mark.usefixtures("aws")
def test_an_object_that_s3_has_not_as_it_was_sent_is_an_error(strict: StrictS3) -> None:
    strict.damage = b"!"
    with pytest.raises(TransientError) as raised:
        upload_to(strict, b"content")
    assert raised.value.code == "upload_corrupted"


def test_more_parts_than_s3_takes_are_told_before_they_are_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_upload, "MAX_PARTS", 2)
    with pytest.raises(PermanentError) as raised:
        world.upload()
    assert raised.value.code == "upload_too_large"
    assert "S3_UPLOAD_PART_BYTES" in raised.value.sentence
    assert world.is_untouched()


@pytest.mark.parametrize(
    ("refusal", "kind", "code"),
    [
        (Refusal(403, "AccessDenied"), ConfigurationFault, "s3_access_denied"),
        (Refusal(404, "NoSuchBucket"), ConfigurationFault, "s3_access_denied"),
        (Refusal(403, "ExpiredTokenException"), TransientError, "s3_unavailable"),
        (Refusal(400, "MalformedXML"), TransientError, "s3_unavailable"),
    ],
)
def test_what_a_refusal_means(
    world: World, refusal: Refusal, kind: type[Exception], code: str
) -> None:
    world.proxy.fault = lambda _: refusal
    for attempt in (
        lambda: world.store.prepare("export/"),
        world.upload,
        lambda: world.store.put(KEY, b"x", content_type="x/y"),
    ):
        with pytest.raises(kind) as raised:
            attempt()
        assert getattr(raised.value, "code", "") == code


def test_preparing_removes_what_others_left_under_the_prefix_and_nothing_else(
    world: World,
) -> None:
    for key in (KEY, "export/crm.tgz", "other/crm.tgz"):
        world.s3.create_multipart_upload(Bucket=world.bucket, Key=key)

    world.store.prepare("export/")

    left = world.s3.list_multipart_uploads(Bucket=world.bucket)["Uploads"]
    assert [upload["Key"] for upload in left] == ["other/crm.tgz"]
    assert "Contents" not in world.s3.list_objects_v2(Bucket=world.bucket)


def test_a_small_object_is_put_in_one_call(world: World) -> None:
    put = world.store.put(KEY, b"{}", content_type="application/json")
    assert put.sha256 == hashlib.sha256(b"{}").hexdigest()
    found = world.s3.get_object(Bucket=world.bucket, Key=KEY)
    assert (found["Body"].read(), found["ContentType"]) == (b"{}", "application/json")
