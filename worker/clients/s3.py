"""Objects from S3: allow-listed buckets, limited size, the same object from start to end."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from botocore import exceptions as botocore

from worker.clients.s3_common import (
    error_code,
    forbids,
    http_status,
    make_s3_client,
    refuses_us,
)
from worker.credentials import credentials_told
from worker.errors import (
    BoundaryError,
    ConfigurationFault,
    MessageError,
    MissingInput,
    PermanentError,
    ReferenceDataError,
    TransientError,
    WorkerError,
)
from worker.logs import redact
from worker.settings import AwsSettings

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef

_CONNECT_TIMEOUT_S = 5
_TRIES = 3
# What is asked about a refusal has short answers, and the loop itself asks while it is refused:
# from an S3 that is silent it is back within the wait of a poll, also at a stop.
_QUESTION_TIMEOUT_S = 3
_QUESTION_TRIES = 2
_CHUNK_BYTES = 1024 * 1024
_MAX_KEY_BYTES = 1024

_MISSING = frozenset({"NoSuchKey", "404", "NotFound", "NoSuchVersion"})
_REPLACED = frozenset({"PreconditionFailed", "412"})

_AnswerT = TypeVar("_AnswerT")


@dataclass(frozen=True, slots=True)
class DownloadedObject:
    """A file of ours with the content of one S3 object; ``size`` in bytes."""

    path: Path
    size: int
    etag: str
    version_id: str | None


@dataclass(frozen=True, slots=True)
class _Contents:
    """What a store's objects are to those who read its errors."""

    file: str
    bucket: str
    missing_code: str
    too_large: type[PermanentError]


class ObjectStore:
    """Reads objects of ``buckets``. Thread-safe; each client is made on first use."""

    def __init__(
        self,
        settings: AwsSettings,
        buckets: tuple[str, ...],
        contents: _Contents,
        *,
        client: S3Client | None = None,
    ) -> None:
        self._settings = settings
        self._buckets = buckets
        self._contents = contents
        self._given_client = client
        self._last_readable: dict[str, str] = {}
        # By bucket, keys that were refused since one could be read, each of which may be missing.
        self._refused: dict[str, list[str]] = {}
        self._last_denied: tuple[str, str] | None = None

    def download(
        self,
        bucket: str,
        key: str,
        directory: Path,
        *,
        max_bytes: int,
        checkpoint: Callable[[], None] = lambda: None,
    ) -> DownloadedObject:
        """Copy one object into a new file in ``directory``; nothing is left there on an error.

        ``checkpoint`` is called for each part and may raise. Raises MessageError
        ``bucket_not_allowed`` and ``s3_key_invalid``, PermanentError ``too_large``, TransientError
        ``object_changed`` and ``s3_unavailable``, MissingInput (the code is the store's),
        ConfigurationFault ``s3_access_denied``.
        """
        self._check_allowed(bucket, key)
        with self._translated(bucket, key):
            answer = self._client.get_object(Bucket=bucket, Key=key)
            downloaded = self._stored(answer, directory, max_bytes, checkpoint)
            try:
                # One GET never mixes two objects; asked again, S3 says whether this one is still
                # what the key stands for, or was overwritten or deleted meanwhile.
                self._client.head_object(Bucket=bucket, Key=key, IfMatch=downloaded.etag)
            except botocore.ClientError as error:
                downloaded.path.unlink()
                if error_code(error) in _REPLACED | _MISSING:
                    raise self._changed("it was replaced or deleted while it was read") from error
                raise
            except BaseException:
                downloaded.path.unlink()
                raise
        self._last_readable[bucket] = key
        self._refused.pop(bucket, None)
        return downloaded

    def probe(self) -> None:
        """Ask again for the objects whose denial was a fault of ours, and for the last readable.

        Raises ConfigurationFault ``s3_access_denied`` as long as all of them are refused; that one
        is missing by now is an answer too. Waits a few seconds only for an S3 that is silent.
        """
        if self._last_denied is None:
            return
        bucket, key = self._last_denied
        keys = [key, *self._refused.get(bucket, ()), self._last_readable.get(bucket, key)]
        for each in dict.fromkeys(keys):
            try:
                with suppress(MissingInput), self._translated(bucket, each):
                    self._ask_for(bucket, each)
                    self._last_readable[bucket] = each
            except ConfigurationFault as error:
                fault = error
            else:
                self._refused.pop(bucket, None)
                self._last_denied = None
                return
        raise fault

    @cached_property
    def _client(self) -> S3Client:
        return self._given_client or make_s3_client(
            self._settings, connect_timeout_s=_CONNECT_TIMEOUT_S, tries=_TRIES
        )

    @cached_property
    def _questions(self) -> S3Client:
        """A client that does not wait long for its answers."""
        return self._given_client or make_s3_client(
            self._settings,
            connect_timeout_s=_QUESTION_TIMEOUT_S,
            read_timeout_s=_QUESTION_TIMEOUT_S,
            tries=_QUESTION_TRIES,
        )

    def _check_allowed(self, bucket: str, key: str) -> None:
        if bucket not in self._buckets:
            raise MessageError(
                "bucket_not_allowed", "Files are read from the configured buckets only."
            )
        if not 0 < len(key.encode(errors="replace")) <= _MAX_KEY_BYTES:
            raise MessageError("s3_key_invalid", "The S3 key is empty or longer than 1024 bytes.")

    @contextmanager
    def _translated(self, bucket: str, key: str) -> Iterator[None]:
        with self._reached():
            try:
                yield
            except botocore.ClientError as error:
                # To find out, S3 is asked more, which may fail as any call.
                raise self._meaning(error, bucket, key) from error

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """All errors of botocore as ours, but for what S3 answers."""
        try:
            with credentials_told(absent=self._denied, away=self._unavailable):
                yield
        except (
            botocore.ResponseStreamingError,
            botocore.IncompleteReadError,
            botocore.FlexibleChecksumError,
        ) as error:
            raise self._changed("it ended before its announced length or checksum") from error
        except botocore.BotoCoreError as error:
            raise self._unavailable(f"{type(error).__name__}: {error}") from error

    def _meaning(self, error: botocore.ClientError, bucket: str, key: str) -> WorkerError:
        code = error_code(error)
        status = http_status(error)
        if refuses_us(error):
            self._last_denied = (bucket, key)
            return self._denied(f"{code} for bucket {bucket}")
        if code in _MISSING or status == 404:
            return self._not_found(f"{code} for bucket {bucket}")
        if forbids(error):
            if self._only_this_key(error, bucket, key):
                return self._not_found(f"{code} for this key of bucket {bucket}")
            self._last_denied = (bucket, key)
            return self._denied(f"{code} for bucket {bucket}")
        return self._unavailable(f"{status} {code}")

    def _only_this_key(self, error: botocore.ClientError, bucket: str, key: str) -> bool:
        """Whether a 403 concerns one key, so that other jobs may go on.

        S3 answers 403 instead of 404 for a missing key when we lack ``s3:ListBucket``. The last key
        that we could read is the proof that others can be. One refusal proves nothing: only a
        second key that is refused too, since one was read, closes the bucket. A missing
        ``kms:Decrypt`` closes every object.
        """
        if "kms:" in str(error):
            return False
        if self._is_known_to_be_missing(bucket, key):
            return True
        known = self._last_readable.get(bucket, key)
        if known != key and self._answers_for(bucket, known):
            return True
        refused = dict.fromkeys((*self._refused.get(bucket, ()), key, known))
        self._refused[bucket] = list(refused)
        return len(refused) == 1

    def _is_known_to_be_missing(self, bucket: str, key: str) -> bool:
        # HeadBucket would be refused where listing is allowed below a prefix only.
        listed = self._answer(
            lambda: self._questions.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
        )
        return listed is not None and all(
            one.get("Key") != key for one in listed.get("Contents", ())
        )

    def _answers_for(self, bucket: str, known: str) -> bool:
        """Whether S3 gives the last key that we could read; that it is gone is an answer too."""
        try:
            return self._answer(lambda: self._ask_for(bucket, known)) is not None
        except MissingInput:
            self._last_readable.pop(bucket, None)
            self._refused.pop(bucket, None)
            return True

    def _ask_for(self, bucket: str, key: str) -> GetObjectOutputTypeDef:
        """By GET: a HEAD does not say that a bucket is missing, and needs no right to decrypt."""
        answer = self._questions.get_object(Bucket=bucket, Key=key)
        answer["Body"].close()
        return answer

    def _answer(self, call: Callable[[], _AnswerT]) -> _AnswerT | None:
        """None if it is refused; raises MissingInput, and TransientError ``s3_unavailable``."""
        try:
            return call()
        except botocore.ClientError as error:
            if http_status(error) >= 500:
                raise self._unavailable(f"{http_status(error)} {error_code(error)}") from error
            if error_code(error) in _MISSING:
                raise self._not_found(error_code(error)) from error
            return None

    def _stored(
        self,
        answer: GetObjectOutputTypeDef,
        directory: Path,
        max_bytes: int,
        checkpoint: Callable[[], None],
    ) -> DownloadedObject:
        announced = answer["ContentLength"]
        if announced > max_bytes:
            answer["Body"].close()
            raise self._too_large(max_bytes)
        with tempfile.NamedTemporaryFile(dir=directory, prefix="object-", delete=False) as file:
            path = Path(file.name)
            try:
                size = 0
                for chunk in answer["Body"].iter_chunks(_CHUNK_BYTES):
                    checkpoint()
                    size += len(chunk)
                    if size > max_bytes:
                        raise self._too_large(max_bytes)
                    file.write(chunk)
                if size != announced:
                    raise self._changed(f"{size} bytes came instead of {announced}")
            except BaseException:
                path.unlink()
                raise
        return DownloadedObject(path, size, answer["ETag"], answer.get("VersionId"))

    def _not_found(self, detail: str) -> MissingInput:
        return MissingInput(
            self._contents.missing_code,
            f"The {self._contents.file} is not in the {self._contents.bucket}.",
            detail=detail,
        )

    def _changed(self, detail: str) -> TransientError:
        return TransientError(
            "object_changed",
            f"The {self._contents.file} changed while it was read.",
            detail=detail,
        )

    def _unavailable(self, detail: str) -> TransientError:
        return TransientError(
            "s3_unavailable",
            f"The {self._contents.bucket} does not answer at the moment.",
            detail=redact(detail),
        )

    def _denied(self, detail: str) -> ConfigurationFault:
        return ConfigurationFault(
            "s3_access_denied",
            f"We may not read the {self._contents.bucket}.",
            detail=redact(detail),
        )

    def _too_large(self, max_bytes: int) -> PermanentError:
        return self._contents.too_large(
            "too_large",
            f"The file is larger than {max_bytes / 1024 / 1024:g} MB, which is the limit.",
        )


class BoundaryStore(ObjectStore):
    """Reads what users have uploaded; MissingInput is ``boundary_not_found``."""

    def __init__(self, settings: AwsSettings, *, client: S3Client | None = None) -> None:
        contents = _Contents("boundary file", "upload bucket", "boundary_not_found", BoundaryError)
        super().__init__(settings, settings.s3_input_bucket, contents, client=client)


class ReferenceStore(ObjectStore):
    """Reads what operators have put; MissingInput is ``reference_file_not_found``."""

    def __init__(self, settings: AwsSettings, *, client: S3Client | None = None) -> None:
        contents = _Contents(
            "reference file", "reference bucket", "reference_file_not_found", ReferenceDataError
        )
        super().__init__(settings, settings.s3_reference_bucket, contents, client=client)
