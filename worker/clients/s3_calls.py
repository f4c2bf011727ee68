"""Calls that write to S3, each in a thread, so that a job that has to stop need not wait."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from botocore import exceptions as botocore

from worker.clients.s3_common import error_code, forbids, http_status, refuses_us
from worker.credentials import credentials_told
from worker.errors import ConfigurationFault, TransientError, WorkerError
from worker.logs import redact

_T = TypeVar("_T")
_TICK_S = 0.1


class Caller:
    """Makes a call in a thread and calls ``checkpoint`` while it waits; raises our errors.

    What an interrupted call still does is nobody's concern: its upload is aborted.
    """

    def __init__(self, bucket: str, checkpoint: Callable[[], None]) -> None:
        self._bucket = bucket
        self._checkpoint = checkpoint

    def __call__(self, call: Callable[[], _T]) -> _T:
        self._checkpoint()
        future: Future[_T] = Future()

        def target() -> None:
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - raised by whoever waits
                future.set_exception(error)

        # What the SDK logs, say of credentials that it cannot refresh, is about this job.
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(target,), name="s3", daemon=True).start()
        with self._translated():
            while True:
                try:
                    return future.result(_TICK_S)
                except TimeoutError:
                    if future.done():
                        raise
                    self._checkpoint()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            with credentials_told(absent=_denied, away=_unavailable):
                yield
        except botocore.ClientError as error:
            raise self._meaning(error) from error
        except botocore.BotoCoreError as error:
            raise _unavailable(f"{type(error).__name__}: {error}") from error

    def _meaning(self, error: botocore.ClientError) -> WorkerError:
        said = f"{error_code(error)} for bucket {self._bucket}"
        if refuses_us(error) or forbids(error):
            return _denied(said)
        return _unavailable(f"{http_status(error)} {said}")


class Patience:
    """A checkpoint that ends a wait after ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds

    def checkpoint(self) -> None:
        if time.monotonic() >= self._ends_at:
            raise _unavailable("no answer in time")


def _unavailable(detail: str) -> TransientError:
    return TransientError(
        "s3_unavailable",
        "The output bucket does not answer at the moment.",
        detail=redact(detail),
    )


def _denied(detail: str) -> ConfigurationFault:
    return ConfigurationFault(
        "s3_access_denied", "We may not write to the output bucket.", detail=redact(detail)
    )
