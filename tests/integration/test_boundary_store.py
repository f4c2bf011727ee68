"""Boundary files from S3: what is read, what is refused, and what an error of S3 means."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config

from tests.fakes.aws_proxy import AwsProxy, Cut, Refusal
from worker.clients.s3 import BoundaryStore
from worker.demo.aws import AwsEmulator
from worker.demo.fake_service import FakeService, Received, Reply
from worker.errors import (
    BoundaryError,
    ConfigurationFault,
    MessageError,
    TransientError,
    WorkerError,
)
from worker.settings import AwsSettings

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

KEY = "uploads/site.zip"
CONTENT = b"boundary" * 100_000
LIMIT = 10_000_000


def settings_of(bucket: str, endpoint_url: str) -> AwsSettings:
    return AwsSettings(s3_input_bucket=(bucket,), aws_endpoint_url=endpoint_url)


@pytest.fixture
def store(aws: AwsEmulator, bucket: str) -> BoundaryStore:
    aws.s3.put_object(Bucket=bucket, Key=KEY, Body=CONTENT)
    return BoundaryStore(settings_of(bucket, aws.endpoint_url))


def refused(
    store: BoundaryStore, bucket: str, key: str, directory: Path, *, max_bytes: int = LIMIT
) -> WorkerError:
    """The error of a download, after which nothing may be left in the directory."""
    with pytest.raises(WorkerError) as raised:
        store.download(bucket, key, directory, max_bytes=max_bytes)
    assert list(directory.iterdir()) == []
    return raised.value


def test_an_object_becomes_a_file_of_ours(
    store: BoundaryStore, bucket: str, tmp_path: Path
) -> None:
    first = store.download(bucket, KEY, tmp_path, max_bytes=len(CONTENT))
    second = store.download(bucket, KEY, tmp_path, max_bytes=len(CONTENT))

    assert first.path.parent == tmp_path
    assert first.path != second.path
    assert "site" not in first.path.name
    assert first.path.read_bytes() == CONTENT
    assert first.size == len(CONTENT)
    assert first.etag.strip('"') == hashlib.md5(CONTENT).hexdigest()


def test_only_configured_buckets_are_read(
    aws: AwsEmulator, store: BoundaryStore, tmp_path: Path
) -> None:
    other = aws.create_bucket("someone-elses")
    aws.s3.put_object(Bucket=other, Key=KEY, Body=b"secret")

    error = refused(store, other, KEY, tmp_path)

    assert isinstance(error, MessageError)
    assert error.code == "bucket_not_allowed"


@pytest.mark.parametrize("key", ["", "x" * 1025, "é" * 513])
def test_a_key_that_s3_can_not_have_is_the_messages_fault(
    store: BoundaryStore, bucket: str, tmp_path: Path, key: str
) -> None:
    error = refused(store, bucket, key, tmp_path)
    assert isinstance(error, MessageError)
    assert error.code == "s3_key_invalid"


def test_an_object_over_the_limit_is_refused(
    store: BoundaryStore, bucket: str, tmp_path: Path
) -> None:
    error = refused(store, bucket, KEY, tmp_path, max_bytes=len(CONTENT) - 1)
    assert isinstance(error, BoundaryError)
    assert error.code == "too_large"


def test_a_missing_key_may_still_arrive(store: BoundaryStore, bucket: str, tmp_path: Path) -> None:
    error = refused(store, bucket, "uploads/other.zip", tmp_path)
    assert isinstance(error, TransientError)
    assert error.code == "boundary_not_found"


def test_a_missing_bucket_is_a_configuration_fault(aws: AwsEmulator, tmp_path: Path) -> None:
    store = BoundaryStore(settings_of("no-such-bucket", aws.endpoint_url))
    error = refused(store, "no-such-bucket", KEY, tmp_path)
    assert isinstance(error, ConfigurationFault)
    assert error.code == "s3_access_denied"


def test_an_s3_that_is_not_there_is_transient(tmp_path: Path, aws: AwsEmulator) -> None:
    with _Endpoint() as gone:
        url = gone.url
    error = refused(BoundaryStore(settings_of("uploads", url)), "uploads", KEY, tmp_path)
    assert isinstance(error, TransientError)
    assert error.code == "s3_unavailable"


@dataclass
class Faults:
    """Answers of S3 that are given in place of the emulator's: (operation, key) to an error."""

    denied: set[tuple[str, str]] = field(default_factory=set)
    status: int = 403
    code: str = "AccessDenied"
    message: str = "Access Denied"
    after_get: Callable[[], None] | None = None

    def install(self, client: S3Client) -> None:
        events = client.meta.events
        for operation in ("GetObject", "HeadObject", "ListObjectsV2"):
            # The stub says that handlers return nothing; an answer given here is used instead.
            events.register(
                f"before-send.s3.{operation}",
                self._intercept(operation),  # type: ignore[arg-type]
            )
        events.register("after-call.s3.GetObject", self._after_get)

    def _intercept(self, operation: str) -> Callable[..., AWSResponse | None]:
        def intercept(request: object, **_: object) -> AWSResponse | None:
            url = str(getattr(request, "url", ""))
            if not any(operation == name and key in url for name, key in self.denied):
                return None
            body = f"<Error><Code>{self.code}</Code><Message>{self.message}</Message></Error>"
            return AWSResponse(url, self.status, HTTPHeaders(), _Raw(body.encode()))

        return intercept

    def _after_get(self, **_: object) -> None:
        if self.after_get is not None:
            self.after_get()


class _Raw:
    """What AWSResponse reads its content from."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self._content


@dataclass(frozen=True)
class FaultyStore:
    store: BoundaryStore
    faults: Faults
    bucket: str


@pytest.fixture
def faulty(aws: AwsEmulator, bucket: str) -> FaultyStore:
    client = boto3.client(
        "s3",
        endpoint_url=aws.endpoint_url,
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    faults = Faults()
    faults.install(client)
    for key in (KEY, "uploads/good.zip"):
        client.put_object(Bucket=bucket, Key=key, Body=CONTENT)
    store = BoundaryStore(settings_of(bucket, aws.endpoint_url), client=client)
    return FaultyStore(store, faults, bucket)


@pytest.mark.parametrize("status", [500, 503])
def test_an_s3_in_trouble_is_transient(faulty: FaultyStore, tmp_path: Path, status: int) -> None:
    faulty.faults.denied = {("GetObject", "")}
    faulty.faults.status, faulty.faults.code = status, "SlowDown"
    error = refused(faulty.store, faulty.bucket, KEY, tmp_path)
    assert isinstance(error, TransientError)
    assert error.code == "s3_unavailable"


def test_one_forbidden_key_of_a_bucket_that_we_may_list_concerns_one_job(
    faulty: FaultyStore, tmp_path: Path
) -> None:
    faulty.faults.denied = {("GetObject", KEY)}
    error = refused(faulty.store, faulty.bucket, KEY, tmp_path)
    assert isinstance(error, TransientError)
    assert error.code == "boundary_not_found"


OTHER_KEY = "uploads/good.zip"
NO_LISTING = ("ListObjectsV2", "")


def test_a_bucket_that_refuses_two_keys_and_has_given_none_is_closed(
    faulty: FaultyStore, tmp_path: Path
) -> None:
    faulty.faults.denied = {("GetObject", ""), NO_LISTING}
    first = refused(faulty.store, faulty.bucket, KEY, tmp_path)
    assert isinstance(first, TransientError)
    assert first.code == "boundary_not_found"
    assert refused(faulty.store, faulty.bucket, KEY, tmp_path).code == "boundary_not_found"
    second = refused(faulty.store, faulty.bucket, OTHER_KEY, tmp_path)
    assert isinstance(second, ConfigurationFault)
    assert second.code == "s3_access_denied"
    with pytest.raises(ConfigurationFault):
        faulty.store.probe()

    faulty.faults.denied = {("GetObject", KEY), NO_LISTING}
    faulty.store.probe()


def test_objects_that_are_listed_and_refused_close_the_bucket_too(
    faulty: FaultyStore, tmp_path: Path
) -> None:
    faulty.faults.denied = {("GetObject", "")}
    assert isinstance(refused(faulty.store, faulty.bucket, KEY, tmp_path), TransientError)
    assert isinstance(refused(faulty.store, faulty.bucket, OTHER_KEY, tmp_path), ConfigurationFault)


def test_missing_keys_close_no_bucket_whose_keys_may_be_listed_below_a_prefix(
    faulty: FaultyStore, tmp_path: Path
) -> None:
    """S3 may still say 403 of them, and a worker that has just started has read nothing yet."""
    faulty.faults.denied = {("GetObject", "uploads/missing")}
    for number in range(3):
        error = refused(faulty.store, faulty.bucket, f"uploads/missing-{number}.zip", tmp_path)
        assert error.code == "boundary_not_found"
    faulty.store.probe()


def test_a_question_about_a_refusal_that_gets_no_answer_is_asked_again_later(
    aws: AwsEmulator, bucket: str, tmp_path: Path
) -> None:
    with AwsProxy(aws) as proxy:
        proxy.fault = lambda call: (
            Cut() if "list-type" in call.query else Refusal(403, "AccessDenied")
        )
        store = BoundaryStore(settings_of(bucket, proxy.url))
        error = refused(store, bucket, KEY, tmp_path)

    assert isinstance(error, TransientError)
    assert error.code == "s3_unavailable"


def test_one_missing_key_pauses_nothing_where_listing_is_forbidden(
    faulty: FaultyStore, tmp_path: Path
) -> None:
    faulty.faults.denied = {("GetObject", "uploads/missing"), NO_LISTING}
    missing = "uploads/missing.zip"
    assert refused(faulty.store, faulty.bucket, missing, tmp_path).code == "boundary_not_found"
    faulty.store.probe()
    good = faulty.store.download(faulty.bucket, KEY, tmp_path, max_bytes=LIMIT)
    good.path.unlink()
    for key in (missing, "uploads/missing-too.zip"):
        assert refused(faulty.store, faulty.bucket, key, tmp_path).code == "boundary_not_found"


def test_without_the_right_to_list_a_key_that_could_be_read_shows_that_others_can(
    faulty: FaultyStore, tmp_path: Path
) -> None:
    good = faulty.store.download(faulty.bucket, OTHER_KEY, tmp_path, max_bytes=LIMIT)
    good.path.unlink()
    faulty.faults.denied = {("GetObject", KEY), NO_LISTING}
    error = refused(faulty.store, faulty.bucket, KEY, tmp_path)
    assert isinstance(error, TransientError)
    assert error.code == "boundary_not_found"

    # The right to read is withdrawn while the worker runs.
    faulty.faults.denied = {("GetObject", ""), NO_LISTING}
    error = refused(faulty.store, faulty.bucket, KEY, tmp_path)
    assert isinstance(error, ConfigurationFault)
    with pytest.raises(ConfigurationFault):
        faulty.store.probe()

    # That key is still closed, but others are not.
    faulty.faults.denied = {("GetObject", KEY), NO_LISTING}
    faulty.store.probe()


def test_a_key_that_could_be_read_and_was_deleted_since_closes_no_bucket(
    aws: AwsEmulator, faulty: FaultyStore, tmp_path: Path
) -> None:
    """Uploads are deleted after some days; S3 says that it is missing, and so that it answers."""
    faulty.store.download(faulty.bucket, OTHER_KEY, tmp_path, max_bytes=LIMIT).path.unlink()
    aws.s3.delete_object(Bucket=faulty.bucket, Key=OTHER_KEY)
    faulty.faults.denied = {("GetObject", KEY)}
    for _ in range(3):
        error = refused(faulty.store, faulty.bucket, KEY, tmp_path)
        assert isinstance(error, TransientError)
        assert error.code == "boundary_not_found"
    faulty.store.probe()

    # Forgotten, it proves nothing of what is closed later.
    faulty.faults.denied = {("GetObject", "")}
    aws.s3.put_object(Bucket=faulty.bucket, Key=OTHER_KEY, Body=CONTENT)
    assert isinstance(refused(faulty.store, faulty.bucket, OTHER_KEY, tmp_path), ConfigurationFault)


def test_a_missing_bucket_stays_a_fault_until_it_is_there(aws: AwsEmulator, tmp_path: Path) -> None:
    store = BoundaryStore(settings_of("late-bucket", aws.endpoint_url))
    assert isinstance(refused(store, "late-bucket", KEY, tmp_path), ConfigurationFault)
    with pytest.raises(ConfigurationFault):
        store.probe()
    aws.create_bucket("late-bucket")
    store.probe()


def test_a_missing_right_to_decrypt_closes_every_key_of_a_bucket_that_we_may_list(
    faulty: FaultyStore, tmp_path: Path
) -> None:
    faulty.faults.denied = {("GetObject", "")}
    faulty.faults.message = "User is not authorized to perform: kms:Decrypt on the resource"
    assert isinstance(refused(faulty.store, faulty.bucket, KEY, tmp_path), ConfigurationFault)
    with pytest.raises(ConfigurationFault):
        faulty.store.probe()


@pytest.mark.parametrize(
    ("code", "kind"),
    [("InvalidAccessKeyId", ConfigurationFault), ("ExpiredToken", TransientError)],
)
def test_wrong_credentials_stop_us_and_expired_ones_are_replaced(
    faulty: FaultyStore, tmp_path: Path, code: str, kind: type[WorkerError]
) -> None:
    faulty.faults.denied = {("GetObject", "")}
    faulty.faults.code = code
    assert isinstance(refused(faulty.store, faulty.bucket, KEY, tmp_path), kind)


@pytest.mark.parametrize("deleted", [False, True])
def test_an_object_that_is_replaced_or_deleted_while_it_is_read_is_not_used(
    aws: AwsEmulator, faulty: FaultyStore, tmp_path: Path, deleted: bool
) -> None:
    def change() -> None:
        if deleted:
            aws.s3.delete_object(Bucket=faulty.bucket, Key=KEY)
        else:
            aws.s3.put_object(Bucket=faulty.bucket, Key=KEY, Body=b"another boundary")

    faulty.faults.after_get = change

    error = refused(faulty.store, faulty.bucket, KEY, tmp_path)

    assert isinstance(error, TransientError)
    assert error.code == "object_changed"


class _Endpoint(FakeService):
    """An S3 endpoint with one object, whose announced length may be a lie."""

    def __init__(self, *, announced: int = 0) -> None:
        super().__init__()
        self._announced = announced

    def answer(self, request: Received) -> Reply:
        headers = {"etag": '"abc"', "content-length": str(self._announced)}
        return Reply(200, "x" * 1000, headers)


def test_a_truncated_object_is_not_used(tmp_path: Path, aws: AwsEmulator) -> None:
    with _Endpoint(announced=5000) as endpoint:
        error = refused(
            BoundaryStore(settings_of("uploads", endpoint.url)), "uploads", KEY, tmp_path
        )
    assert isinstance(error, TransientError)
    assert error.code == "object_changed"
