"""Objects written to S3: in parts, each with its checksum, and whole or not at all.

An object appears only when its upload is completed; the parts of one that is not are removed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from botocore import exceptions as botocore

from worker.clients.s3_calls import Caller, Patience
from worker.clients.s3_common import error_code, make_s3_client
from worker.errors import PermanentError, TransientError, WorkerError
from worker.logs import logger
from worker.settings import AwsSettings

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

_log = logger(__name__)

_CONNECT_TIMEOUT_S = 10
_TRIES = 5
# A stop leaves a job one second to let go; parts that stay are removed by the next run.
_ABORT_PATIENCE_S = 0.8
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MAX_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class UploadedObject:
    """An object of ours as it is in S3: ``size`` in bytes, ``sha256`` of its content in hex."""

    key: str
    size: int
    sha256: str
    version_id: str | None


class OutputStore:
    """Writes objects of one bucket. Thread-safe; the client is made on first use.

    ``checkpoint`` of its methods is called while S3 is waited for and may raise. All of them raise
    TransientError ``s3_unavailable`` and ConfigurationFault ``s3_access_denied``.
    """

    def __init__(self, settings: AwsSettings, *, client: S3Client | None = None) -> None:
        self._settings = settings
        self._bucket = settings.s3_output_bucket
        self._given_client = client

    def prepare(self, prefix: str, *, checkpoint: Callable[[], None] = lambda: None) -> None:
        """Prove that we may write under ``prefix``, and remove parts that others have left there.

        Only for prefixes that nobody else is writing to.
        """
        call = Caller(self._bucket, checkpoint)
        begun = call(
            lambda: self._client.create_multipart_upload(Bucket=self._bucket, Key=f"{prefix}probe")
        )
        self._abort(call, f"{prefix}probe", begun["UploadId"])
        for key, upload_id in call(lambda: self._unfinished(prefix)):
            self._abort(call, key, upload_id)
            _log.info("upload.leftover_removed", bucket=self._bucket, key=key)

    @contextmanager
    def upload(
        self, key: str, *, content_type: str, checkpoint: Callable[[], None] = lambda: None
    ) -> Iterator[Upload]:
        """An upload to write to; ``complete`` makes it an object, else it is aborted."""
        call = Caller(self._bucket, checkpoint)
        begun = call(
            lambda: self._client.create_multipart_upload(
                Bucket=self._bucket,
                Key=key,
                ContentType=content_type,
                ChecksumAlgorithm="SHA256",
            )
        )
        upload = Upload(
            self._client,
            call,
            bucket=self._bucket,
            key=key,
            upload_id=begun["UploadId"],
            part_bytes=self._settings.s3_upload_part_bytes,
        )
        try:
            yield upload
        finally:
            if not upload.is_complete:
                self._give_up(key, begun["UploadId"])

    def put(
        self,
        key: str,
        content: bytes,
        *,
        content_type: str,
        checkpoint: Callable[[], None] = lambda: None,
    ) -> UploadedObject:
        """Write a small object in one call."""
        digest = hashlib.sha256(content)
        answer = Caller(self._bucket, checkpoint)(
            lambda: self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=content,
                ContentType=content_type,
                ChecksumSHA256=_base64(digest.digest()),
            )
        )
        return UploadedObject(
            key, len(content), digest.hexdigest(), _version(answer.get("VersionId"))
        )

    @cached_property
    def _client(self) -> S3Client:
        return self._given_client or make_s3_client(
            self._settings, connect_timeout_s=_CONNECT_TIMEOUT_S, tries=_TRIES
        )

    def _unfinished(self, prefix: str) -> list[tuple[str, str]]:
        """(key, upload id) of uploads that were neither completed nor aborted."""
        pages = self._client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._bucket, Prefix=prefix
        )
        return [
            (upload["Key"], upload["UploadId"])
            for page in pages
            for upload in page.get("Uploads", [])
        ]

    def _give_up(self, key: str, upload_id: str) -> None:
        """Abort what failed; whatever becomes of that, the failure is what the caller sees."""
        waited = Patience(_ABORT_PATIENCE_S)
        try:
            self._abort(Caller(self._bucket, waited.checkpoint), key, upload_id)
        except WorkerError as error:
            _log.warning(
                "upload.not_aborted",
                bucket=self._bucket,
                key=key,
                error_code=error.code,
                error_detail=error.detail,
            )

    def _abort(self, call: Caller, key: str, upload_id: str) -> None:
        def abort() -> None:
            try:
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=key, UploadId=upload_id
                )
            except botocore.ClientError as error:
                # A try whose answer was lost has done it already.
                if error_code(error) != "NoSuchUpload":
                    raise

        call(abort)


class Upload:
    """An object that is being written; holds one part in memory."""

    def __init__(
        self,
        client: S3Client,
        call: Caller,
        *,
        bucket: str,
        key: str,
        upload_id: str,
        part_bytes: int,
    ) -> None:
        self._client = client
        self._call = call
        self._bucket = bucket
        self._key = key
        self._upload_id = upload_id
        self._part_bytes = part_bytes
        self._part = bytearray()
        self._digest = hashlib.sha256()
        self._part_digests: list[bytes] = []
        self._completed: list[CompletedPartTypeDef] = []
        self._size = 0
        self.is_complete = False

    def write(self, data: bytes) -> None:
        """Append ``data``; raises PermanentError ``upload_too_large`` beyond 10,000 parts."""
        self._digest.update(data)
        self._size += len(data)
        self._part += data
        while len(self._part) >= self._part_bytes:
            self._send(bytes(self._part[: self._part_bytes]))
            del self._part[: self._part_bytes]

    def complete(self) -> UploadedObject:
        """Send the rest and make it an object; raises TransientError ``upload_corrupted``."""
        if self._part or not self._completed:
            self._send(bytes(self._part))
            self._part.clear()
        answer = self._call(
            lambda: self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=self._key,
                UploadId=self._upload_id,
                MultipartUpload={"Parts": self._completed},
            )
        )
        self.is_complete = True
        self._check(answer.get("ChecksumSHA256", ""))
        return UploadedObject(
            self._key, self._size, self._digest.hexdigest(), _version(answer.get("VersionId"))
        )

    def _send(self, part: bytes) -> None:
        number = len(self._completed) + 1
        if number > MAX_PARTS:
            raise PermanentError(
                "upload_too_large",
                f"The file has more than {MAX_PARTS} parts of {self._part_bytes} bytes;"
                " raise S3_UPLOAD_PART_BYTES.",
            )
        digest = hashlib.sha256(part).digest()
        checksum = _base64(digest)
        answer = self._call(
            lambda: self._client.upload_part(
                Bucket=self._bucket,
                Key=self._key,
                UploadId=self._upload_id,
                PartNumber=number,
                Body=part,
                # S3 refuses a part that does not have it.
                ChecksumSHA256=checksum,
            )
        )
        self._part_digests.append(digest)
        self._completed.append(
            {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}
        )

    def _check(self, stored: str) -> None:
        """Compare S3's checksum of the checksums of all parts with ours, where it gives one."""
        expected = _base64(hashlib.sha256(b"".join(self._part_digests)).digest())
        # The number of parts follows it after a hyphen, which base64 has not.
        if stored and stored.partition("-")[0] != expected:
            raise TransientError(
                "upload_corrupted",
                "The output bucket holds something else than what was sent.",
                detail=f"{self._key}: {stored} instead of {expected}",
            )


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")


def _version(given: str | None) -> str | None:
    """S3 says "null" where versions are no longer kept."""
    return None if given == "null" else given
